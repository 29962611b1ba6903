"""Runs the jobs of queue `work` of the file that it is given, until its input ends. A job "busy"
keeps its only worker until a line is read."""

from __future__ import annotations

import sys
import threading

from sprag.queue import QueueService

go_on = threading.Event()


class Work(QueueService):
    name = "work"
    worker_count = 1

    def handle_item(self, item: object) -> str:
        if item == "busy":
            print("busy", flush=True)
            go_on.wait()
        return "elsewhere"


with Work(database=sys.argv[1]):
    print("runs", flush=True)
    for _line in sys.stdin:
        go_on.set()
