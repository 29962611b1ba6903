"""The parts of `tools/demo.py`: arguments, pictures, the screen, and the run itself."""
