"""Runs the jobs of queue `work` of the file that it is given, until its input ends. A job "busy"
keeps its only worker until a line is read."""

from __future__ import annotations

import sys
import threading

from sprag.queue import QueueService

go_on = threading.Event()


def say(word: str) -> None:
    """Print a word and the end of its line in one piece: two threads do."""
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


class Work(QueueService):
    name = "work"
    worker_count = 1

    def handle_item(self, item: object) -> str:
        if item == "busy":
            say("busy")
            go_on.wait()
        return "elsewhere"


with Work(database=sys.argv[1]):
    say("runs")
    for _line in sys.stdin:
        go_on.set()
