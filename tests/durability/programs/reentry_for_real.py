"""Enqueue in the main thread while what interrupts it enqueues, too.

    reentry_for_real.py FILE finalizer|logging finalizer|weak reference|signal

Prints how many jobs were accepted, how many of those that interrupted, and how many of these were
refused.
"""

from __future__ import annotations

import faulthandler
import gc
import itertools
import logging
import signal
import sys
import threading
import time
import weakref
from types import FrameType
from typing import Any

from sprag.queue import QueueService, ReentrantCall

faulthandler.dump_traceback_later(150, exit=True)
path, what = sys.argv[1:]
SECONDS = 2.0
served: list[str] = []
refused: list[ReentrantCall] = []
lines = logging.getLogger("app")
lines.propagate = False


class Work(QueueService):
    name = "work"
    worker_count = 2
    durability = "normal"

    def handle_item(self, item: Any) -> Any:
        return item


def interrupt(*_: object) -> None:
    if ended.is_set():
        return  # such as what is left at the exit
    try:
        served.append(queue.enqueue("by what interrupts").id)
    except ReentrantCall as error:
        refused.append(error.with_traceback(None))


class Cycle:
    """Garbage that only the collector finds."""

    def __init__(self) -> None:
        self.me = self


class Finalized(Cycle):
    def __del__(self) -> None:
        interrupt()


class Logged(Cycle):
    def __del__(self) -> None:
        lines.error("never retrieved")


class Enqueues(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        interrupt()


def on_signal(number: int, frame: FrameType | None) -> None:
    interrupt()


def kill() -> None:
    while not ended.wait(0.003):
        signal.pthread_kill(main, signal.SIGUSR1)


lines.addHandler(Enqueues())
queue = Work(database=path)
ended = threading.Event()
main = threading.get_ident()
gc.set_threshold(50)
accepted = 0
references: list[weakref.ref[Cycle]] = []
with queue:
    if what == "signal":
        signal.signal(signal.SIGUSR1, on_signal)
        threading.Thread(target=kill, daemon=True).start()
    end = time.monotonic() + SECONDS
    for n in itertools.count():
        if what == "finalizer":
            Finalized()
        elif what == "logging finalizer":
            Logged()
        elif what == "weak reference":
            references = [*references[-50:], weakref.ref(Cycle(), interrupt)]
        queue.enqueue(n)
        accepted += 1
        if n % 7 == 0:
            queue.counts()
        # Where the collector runs at last, on a machine that is busy with other things.
        if time.monotonic() > end and len(served) + len(refused) > 20:
            break
    ended.set()
    gc.disable()
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    while (counts := queue.counts())["queued"] + counts["running"]:
        ended.wait()
        time.sleep(0.01)
print(accepted, len(served), len(refused))
