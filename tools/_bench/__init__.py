"""The parts of ``tools/bench.py``: subjects, measures, the plan of rows, and the table."""
