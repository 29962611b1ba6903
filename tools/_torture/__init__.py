"""The long crash test of `tools/torture.py`, and the oracle that the tests share with it."""
