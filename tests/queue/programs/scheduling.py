"""Runs queue `ticks` of the file that it is given, with a schedule of one second, until its input
ends."""

from __future__ import annotations

import sys

from sprag.queue import Every, QueueService


class Ticks(QueueService):
    name = "ticks"
    worker_count = 1
    schedules = (Every(seconds=1, name="tick"),)

    def handle_item(self, item: object) -> None:
        pass


with Ticks(database=sys.argv[1]):
    print("runs", flush=True)
    for _line in sys.stdin:
        pass
