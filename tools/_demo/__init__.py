"""The parts of `tools/demo.py`: its arguments, the page and its server, and the terminal's demo."""
