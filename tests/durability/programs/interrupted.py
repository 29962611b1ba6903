"""Enqueue until so many Ctrl-C have come, let all jobs end, and count those that are lost.

python interrupted.py DATABASE COUNT
"""

from __future__ import annotations

import sys
from typing import Any

from sprag.queue import QueueService


class Work(QueueService):
    name = "work"
    worker_count = 3

    def handle_item(self, item: Any) -> Any:
        self.report_progress(current=item)
        return item


def main(path: str, count: int) -> None:
    interrupts = 0
    accepted: list[str] = []
    with Work(database=path, durability="normal", grace_seconds=60) as queue:
        while interrupts < count:
            try:
                print("ready", flush=True)
                while True:
                    accepted.append(queue.enqueue(len(accepted)).id)
            except KeyboardInterrupt:
                interrupts += 1
        while (counts := queue.counts())["queued"] + counts["running"]:
            pass
    lost = [id_ for id_ in accepted if queue.get(id_).status != "completed"]
    queue.stop()
    print(len(lost), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
