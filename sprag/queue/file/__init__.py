"""The SQLite file: where it may be, how it is opened, kept and closed, and what lies beside it."""
