"""Enqueue jobs with the keys that others use at the same time, and tell which were there."""

from __future__ import annotations

import sys

from sprag.queue import QueueService

queue = QueueService(name="work", database=sys.argv[1])
queue.jobs()
print("ready", flush=True)
sys.stdin.readline()
for number in range(50):
    job = queue.enqueue(number, unique=f"key {number}")
    print(job.id, job.existing)
queue.stop()
