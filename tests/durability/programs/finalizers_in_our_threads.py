"""Finalizers that enqueue, run by the garbage collector in the threads of the queue.

    finalizers_in_our_threads.py FILE handler|subscriber|keeper|log handler

Prints how many jobs were accepted, how many of finalizers, and how many of these were refused.
"""

from __future__ import annotations

import faulthandler
import gc
import logging
import sys
import threading
from typing import Any

from sprag.queue import QueueService, ReentrantCall, Signal
from sprag.queue.liveness.recovery import Recovery
from sprag.queue.work import engine

faulthandler.dump_traceback_later(150, exit=True)
path, where = sys.argv[1:]
JOBS = 150
served: list[str] = []
refused: list[ReentrantCall] = []
enough = threading.Event()


class Cycle:
    """Garbage that only the collector finds; its finalizer enqueues."""

    def __init__(self) -> None:
        self.me = self

    def __del__(self) -> None:
        if enough.is_set():
            return
        try:
            served.append(queue.enqueue("by a finalizer").id)
        except ReentrantCall as error:
            refused.append(error.with_traceback(None))
        if len(served) + len(refused) >= 3 * JOBS:
            enough.set()


def litter() -> None:
    """Garbage for whichever thread comes next."""
    for _ in range(3):
        Cycle()


class Work(QueueService):
    name = "work"
    worker_count = 2
    durability = "normal"
    max_attempts = 2
    backoff = 0.001

    def handle_item(self, item: Any) -> Any:
        if where == "handler":
            litter()
        if where == "log handler" and self.current_job.attempt == 1:
            raise OSError("once more")
        return item


class Litters(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        litter()


def subscriber(signal: Signal) -> None:
    if where == "subscriber":
        litter()


class Littering(Recovery):
    """What the keeper calls at each of its looks."""

    def sweep(self) -> int:
        litter()
        return super().sweep()


logging.getLogger("sprag.queue").addHandler(Litters() if where == "log handler" else
                                            logging.NullHandler())  # fmt: skip
if where == "keeper":
    engine.Recovery = Littering  # type: ignore[attr-defined]
gc.set_threshold(20)
queue = Work(database=path)
with queue:
    queue.subscribe(subscriber)
    jobs = [queue.enqueue(n) for n in range(JOBS)]
    for job in jobs:
        queue.wait(job.id, 100)
    if where == "keeper":
        while len(served) + len(refused) < 20:
            threading.Event().wait(0.01)
    enough.set()
    gc.disable()
    while (counts := queue.counts())["queued"] + counts["running"]:
        threading.Event().wait(0.01)
print(len(jobs), len(served), len(refused))
