"""Inside a handler: what progress and cancellation cost there, and that they touch no disk."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from itertools import repeat
from pathlib import Path

import apsw

from .measures import Result, wait
from .process import thread_writes
from .product import FILE, ITEM, BenchQueue, open_queue
from .subjects import WrongCount, expect


def in_handler(folder: Path, sync: str, *, calls: int) -> Result:
    """Seconds a call of check_cancelled() and report_progress(), in plain loops of a handler.

    `writes` counts the system calls that wrote from the handler's thread meanwhile, where the
    system tells. Then, while another connection holds the write lock of the file, `longest` is the
    longest of 1,000 calls of each: one that needed the disk would have to wait for the lock.
    """
    figures: Result = {}
    looped, locked, done = threading.Event(), threading.Event(), threading.Event()

    def handler(queue: BenchQueue) -> None:
        before = thread_writes()
        figures["check"] = _checks(queue, calls)
        figures["report"] = _reports(queue, calls)
        after = thread_writes()
        if before is not None and after is not None:
            figures["writes"] = after - before
        looped.set()
        wait(locked, "the write lock")
        figures["longest"] = max(_longer_of_both(queue, calls) for _ in range(1000))
        done.set()

    queue = open_queue(folder, sync)
    queue.handler = handler
    queue.start()
    job = queue.enqueue(ITEM)
    wait(looped, "the end of the handler's loops")
    with closing(apsw.Connection(str(folder / FILE))) as other:
        other.set_busy_timeout(10_000)
        other.execute("BEGIN IMMEDIATE")
        locked.set()
        wait(done, "the end of the handler under the write lock")
        other.execute("ROLLBACK")
    finished = queue.wait(job.id, 60)
    queue.stop()
    expect("status", finished.status, "completed")
    if finished.progress is None:
        raise WrongCount("no progress was stored")
    expect("last progress", finished.progress.current, calls)
    return figures


def _checks(queue: BenchQueue, calls: int) -> float:
    started = time.perf_counter()
    for _ in repeat(None, calls):
        queue.check_cancelled()
    return (time.perf_counter() - started) / calls


def _reports(queue: BenchQueue, calls: int) -> float:
    started = time.perf_counter()
    for number in range(1, calls + 1):
        queue.report_progress(current=number, total=calls, message="Working ...")
    return (time.perf_counter() - started) / calls


def _longer_of_both(queue: BenchQueue, calls: int) -> float:
    started = time.perf_counter()
    queue.check_cancelled()
    between = time.perf_counter()
    queue.report_progress(current=calls, total=calls)
    return max(between - started, time.perf_counter() - between)
