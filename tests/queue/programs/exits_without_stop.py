"""A program that enqueues with a queue that it never starts, runs another one in a block, and ends
without stopping the first. Its argument is the file."""

from __future__ import annotations

import sys
from typing import Any

from sprag.queue import QueueService


class Work(QueueService):
    name = "work"

    def handle_item(self, item: Any) -> Any:
        return item


mail = QueueService(name="mail", database=sys.argv[1])
mail.enqueue("waits")
with Work(database=sys.argv[1]) as work:
    work.wait(work.enqueue("runs").id, 60)
