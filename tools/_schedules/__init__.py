"""Every order in which the queue's threads can take their steps; see `tools/schedules.py`."""
