"""All SQL, and what gives each statement its name."""
