"""Hostile input for sprag: damaged files, payloads, arguments. `tools/fuzz.py` runs it at length,
`tests/fuzz` some of it on every push."""
