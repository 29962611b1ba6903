"""The parts of ``tools/bench.py web``: an application of sprag, and the same one by hand."""
