"""Run thirty jobs that report, say so, and end with the standard input."""

from __future__ import annotations

import sys
from typing import Any

from sprag.queue import QueueService


class Other(QueueService):
    name = "work"

    def handle_item(self, item: Any) -> Any:
        self.report_progress(current=item, total=30)
        return item


with Other(database=sys.argv[1]) as queue:
    jobs = [queue.enqueue(n) for n in range(30)]
    for job in jobs:
        queue.wait(job.id, 60)
    print("done", flush=True)
    sys.stdin.readline()
