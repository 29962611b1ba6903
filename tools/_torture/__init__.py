"""The parts of `tools/torture.py`, the long crash test."""
