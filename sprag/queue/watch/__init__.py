"""Who is told of what was committed."""
