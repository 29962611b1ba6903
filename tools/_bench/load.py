"""Load: enqueueing beside handlers that compute, and what a backlog costs in memory."""

from __future__ import annotations

import threading
import time
from itertools import repeat
from pathlib import Path

from .busy import spin
from .measures import Result, spread
from .process import resident_bytes
from .product import ITEM, BenchQueue, open_queue
from .subjects import WORKERS, expect


def enqueue_beside_busy(folder: Path, sync: str, *, samples: int, threads: int) -> Result:
    """Seconds of an `enqueue` while `threads` handlers compute in pure Python."""
    spinning = threading.Semaphore(0)
    stop = threading.Event()

    def handler(_queue: BenchQueue) -> None:
        spinning.release()
        spin(stop.is_set)

    queue = open_queue(folder, sync, worker_count=threads)
    queue.handler = handler
    queue.start()
    queue.enqueue_many(repeat(ITEM, threads))
    for _ in range(threads):
        spinning.acquire()
    seconds: list[float] = []
    for _ in range(samples):
        started = time.perf_counter()
        queue.enqueue(ITEM)
        seconds.append(time.perf_counter() - started)
    expect("queued jobs", queue.counts()["queued"], samples)
    stop.set()
    queue.stop()
    return spread(seconds)


def memory(folder: Path, sync: str, *, jobs: int) -> Result:
    """Bytes that `jobs` queued jobs add to the process at most, while they are enqueued.

    The queue runs, with every worker held up in a handler. A tenth of the jobs go in one by one,
    the others 1,000 a call.
    """
    held = threading.Semaphore(0)
    release = threading.Event()

    def handler(_queue: BenchQueue) -> None:
        held.release()
        release.wait()

    queue = open_queue(folder, sync)
    queue.handler = handler
    queue.start()
    queue.enqueue_many(repeat(ITEM, WORKERS))
    for _ in range(WORKERS):
        held.acquire()
    before = most = resident_bytes()
    for _ in range(jobs // 10):
        queue.enqueue(ITEM)
    for _ in range((jobs - jobs // 10) // 1000):
        queue.enqueue_many(repeat(ITEM, 1000))
        most = max(most, resident_bytes())
    expect("queued jobs", queue.counts()["queued"], jobs)
    release.set()
    queue.stop()
    return {"added": most - before}
