"""Run one job of the file until standard input ends, and print its id once it has begun."""

from __future__ import annotations

import sys
import threading
from typing import Any

from sprag.queue import QueueService


class Held(QueueService):
    """Jobs that never end by themselves."""

    name = "held"

    def handle_item(self, item: Any) -> None:
        print(self.current_job.id, flush=True)
        threading.Event().wait()


with Held(database=sys.argv[1]) as queue:
    queue.enqueue(1)
    sys.stdin.read()
