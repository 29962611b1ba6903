"""Run the queue "work" of a file until standard input ends. Say so once it has started."""

from __future__ import annotations

import sys

from sprag.queue import QueueService


class Work(QueueService):
    name = "work"

    def handle_item(self, item: int) -> int:
        return item * 2


with Work(database=sys.argv[1]):
    print("started", flush=True)
    sys.stdin.read()
