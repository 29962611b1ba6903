"""A program that enqueues, and whose author forgot to start the queue. Arguments: the file, and
whether it stops the queue."""

from __future__ import annotations

import sys
from typing import Any

from sprag.queue import QueueService


class Mail(QueueService):
    name = "mail"

    def handle_item(self, item: Any) -> Any:
        return item


queue = Mail(database=sys.argv[1])
queue.enqueue_many(range(3))
if sys.argv[2] == "stops":
    queue.stop()
