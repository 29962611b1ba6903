"""Enqueue until SIGTERM comes, and say the id of each job.

python terminated.py DATABASE
"""

from __future__ import annotations

import os
import sys
from typing import Any

from sprag.queue import QueueService


class Work(QueueService):
    name = "work"
    worker_count = 3

    def handle_item(self, item: Any) -> Any:
        return item


def main(path: str) -> None:
    with Work(database=path, durability="normal") as queue:
        # Python's own buffer would be a place to lose lines in.
        os.write(1, b"ready\n")
        while True:
            job = queue.enqueue(1)
            os.write(1, job.id.encode() + b"\n")


if __name__ == "__main__":
    main(sys.argv[1])
