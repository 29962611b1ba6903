"""Enqueue one job in the queue "work" of a file, which this process does not run; print its id."""

from __future__ import annotations

import sys

from sprag.queue import QueueService

queue = QueueService(name="work", database=sys.argv[1])
print(queue.enqueue({"from": "afar"}).id)
queue.stop()
