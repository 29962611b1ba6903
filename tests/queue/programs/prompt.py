"""Two cells of a notebook, read from the standard input: `__main__` has no file then."""

from __future__ import annotations

import os
from typing import Any

from sprag.queue import QueueService

DATABASE = os.environ["DATABASE"]


def cell(answer: str) -> Any:
    """What a cell leaves: a class that is defined inside of something, with another handler."""

    class Mail(QueueService):
        name = "mail"
        worker_count = 1

        def handle_item(self, _item: Any) -> str:
            return answer

    return Mail(database=DATABASE, grace_seconds=0).start()


first = cell("first")
second = cell("second")
print({second.wait(second.enqueue(n).id, 60).result for n in range(20)})
second.stop()
