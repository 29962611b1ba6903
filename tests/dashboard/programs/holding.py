"""Runs the jobs of a file, each until the process is killed; says so once two have begun."""

from __future__ import annotations

import sys
import threading
from typing import Any

from sprag.queue import QueueService

begun = threading.Semaphore(0)


class Held(QueueService):
    """Jobs that never end by themselves."""

    name = "held"
    worker_count = 2

    def handle_item(self, item: Any) -> None:
        self.report_progress(item, 10)
        begun.release()
        threading.Event().wait()


queue = Held(database=sys.argv[1]).start()
jobs = [queue.enqueue(n, label=f"held {n}") for n in (1, 2)]
for _ in jobs:
    begun.acquire()
print(*(job.id for job in jobs), flush=True)
threading.Event().wait()
