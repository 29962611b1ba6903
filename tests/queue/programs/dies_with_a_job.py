"""Run a job of the file, and die in it."""

from __future__ import annotations

import os
import sys
from typing import Any

from sprag.queue import QueueService


class Work(QueueService):
    name = "other"
    worker_count = 1

    def handle_item(self, item: Any) -> Any:
        os._exit(9)


queue = Work(database=sys.argv[1]).start()
queue.wait(queue.enqueue(1, unique=sys.argv[2] if sys.argv[2:] else None).id)
