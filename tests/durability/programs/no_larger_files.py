"""Enqueue until a file may grow no further, go on when it may, and say which error there was."""

from __future__ import annotations

import resource
import sys
from pathlib import Path
from typing import Any

from sprag.queue import QueueError, QueueService


class Queue(QueueService):
    name = "work"
    worker_count = 2

    def handle_item(self, item: Any) -> Any:
        return item


wal = Path(sys.argv[1] + "-wal")
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
with Queue(database=sys.argv[1]) as queue:
    stored = [queue.enqueue("x" * 1000)]
    resource.setrlimit(resource.RLIMIT_FSIZE, (wal.stat().st_size + 50_000, hard))
    error: QueueError | None = None
    while error is None:
        assert len(stored) < 10_000
        try:
            stored.append(queue.enqueue("x" * 1000))
        except QueueError as raised:
            error = raised
    assert sys.argv[1] in str(error), error
    assert queue.counts()
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    for job in stored:
        assert queue.wait(job.id, 60).status == "completed"
print(type(error).__name__)
