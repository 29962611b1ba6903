"""The commands of the program, one theme a module."""
