"""An application's signal handler raises every 0.7 ms while the main thread uses a queue.

    raises_all_the_time.py FILE SECONDS

So it raises in the midst of commits, and again in what the first exception has set off. Afterwards
all that was acknowledged comes to its end. Prints how many jobs were, and how often it raised.
"""

from __future__ import annotations

import faulthandler
import signal
import sys
import threading
import time
from types import FrameType
from typing import Any

from sprag.queue import QueueService

PERIOD = 0.0007
SECONDS = 60


class Work(QueueService):
    name = "work"
    worker_count = 4
    durability = "normal"

    def handle_item(self, item: Any) -> Any:
        return item


class Late(Exception):
    """What the signal handler raises."""


class Storm:
    """The signals, and what was acknowledged all the same."""

    def __init__(self, queue: QueueService) -> None:
        self.queue = queue
        self.armed = False
        self.raised = 0
        self.accepted: list[str] = []
        self.others: list[str] = []
        self.ended = threading.Event()

    def late(self, number: int, frame: FrameType | None) -> None:
        if self.armed:
            self.raised += 1
            raise Late

    def once(self) -> None:
        """Calls of the main thread, which may be ended anywhere."""
        try:
            self.armed = True
            self.accepted.append(self.queue.enqueue(1).id)
            self.accepted.extend(job.id for job in self.queue.enqueue_many([2] * 3, delay=0))
            self.queue.get(self.accepted[-1])
            self.queue.cancel(self.accepted[-1])
            self.armed = False
        except Late:
            self.armed = False

    def beside(self) -> None:
        """What another thread posts meanwhile, which nothing interrupts."""
        while not self.ended.wait(0.001):
            self.others.append(self.queue.enqueue(3).id)


def main() -> None:
    path, seconds = sys.argv[1:]
    faulthandler.dump_traceback_later(float(seconds) + SECONDS, exit=True)
    storm = Storm(Work(database=path).start())
    thread = threading.Thread(target=storm.beside)
    thread.start()
    signal.signal(signal.SIGALRM, storm.late)
    signal.setitimer(signal.ITIMER_REAL, PERIOD, PERIOD)
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        storm.once()
    signal.setitimer(signal.ITIMER_REAL, 0)
    storm.ended.set()
    thread.join()
    # No signal comes any more, and no commit of ours: whoever was left asleep is woken by what
    # there is for that, or never.
    for id_ in (*storm.accepted, *storm.others):
        storm.queue.wait(id_, SECONDS / 2)
    storm.queue.stop()
    print(len(storm.accepted) + len(storm.others), storm.raised)


main()
