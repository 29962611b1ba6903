"""Enqueue five jobs in a new file, at the moment when a line comes on standard input."""

from __future__ import annotations

import sys

from sprag.queue import QueueService

queue = QueueService(name="work", database=sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
jobs = [queue.enqueue(n) for n in range(5)]
queue.stop()
print("stored", *[job.id for job in jobs], flush=True)
