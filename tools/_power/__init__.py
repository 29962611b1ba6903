"""The parts of tools/power.py."""
