"""A script that defines a dataclass and a queue for it, and enqueues or runs jobs: as a script, or
imported by another."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from sprag.queue import QueueService


@dataclass
class Point:
    x: int
    y: int


class Points(QueueService):
    name = "points"

    def handle_item(self, item: object) -> Point:
        assert type(item) is Point, f"{type(item)} is not {Point}"
        return Point(item.y, item.x)


def run(act: str, database: str) -> None:
    queue = Points(database=database)
    if act == "enqueue":
        print(queue.enqueue(Point(1, 2)).id)
    else:
        [job] = queue.jobs()
        with queue:
            done = queue.wait(job.id, 30)
            print(done.status, done.result if done.error is None else done.error.message)


if __name__ == "__main__":
    run(*sys.argv[1:])
