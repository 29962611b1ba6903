"""Disks that fail at a chosen call, and what a queue must make of that; see `tools/faults.py`."""
