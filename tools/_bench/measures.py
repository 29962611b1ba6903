"""Measures: what one child process times, for any subject, on a fresh file."""

from __future__ import annotations

import random
import statistics
import threading
import time
from collections.abc import Callable
from itertools import count
from typing import Any

from .subjects import Subject, WrongCount, verify

Result = dict[str, float]
"""Figures of one measurement by name; rates are a second, times are seconds, memory is bytes."""

DEADLINE_SECONDS = 300.0
"""A measurement that takes longer is broken, and says so."""


def drain(subject: Subject, sync: str, *, jobs: int) -> Result:
    """Jobs a second from the start of the first handler until the last job's end is committed.

    All jobs are queued before. Afterwards the file itself must say that all of them are finished.
    """
    for at in range(0, jobs, 1000):
        subject.enqueue_many(min(1000, jobs - at))
    handled = count(1)
    began: list[float] = []
    last = threading.Event()

    def handler() -> None:
        number = next(handled)
        if number == 1:
            began.append(time.perf_counter())
        if number == jobs:
            last.set()

    subject.serve(handler)
    wait(last, "the last job's handler")
    while not subject.drained():
        time.sleep(0.0005)
    seconds = time.perf_counter() - began[0]
    subject.stop()
    verify(subject.settings(), sync)
    subject.check(jobs)
    if next(handled) != jobs + 1:
        raise WrongCount("a job was handled twice")
    return {"rate": jobs / seconds}


def enqueue(subject: Subject, sync: str, *, jobs: int) -> Result:
    """Accepted jobs a second, one by one on one thread, with no worker running."""
    started = time.perf_counter()
    for _ in range(jobs):
        subject.enqueue()
    seconds = time.perf_counter() - started
    verify(subject.settings(), sync)
    return {"rate": jobs / seconds}


def enqueue_threads(subject: Subject, sync: str, *, jobs: int, threads: int) -> Result:
    """Like `enqueue`, but from several threads of the process at once."""
    each = jobs // threads

    def caller() -> None:
        for _ in range(each):
            subject.enqueue()

    callers = [threading.Thread(target=caller) for _ in range(threads)]
    started = time.perf_counter()
    for thread in callers:
        thread.start()
    for thread in callers:
        thread.join()
    seconds = time.perf_counter() - started
    verify(subject.settings(), sync)
    return {"rate": each * threads / seconds}


def enqueue_many(subject: Subject, sync: str, *, calls: int, size: int) -> Result:
    """Accepted jobs a second, `size` a call, on one thread, with no worker running."""
    started = time.perf_counter()
    for _ in range(calls):
        subject.enqueue_many(size)
    seconds = time.perf_counter() - started
    verify(subject.settings(), sync)
    return {"rate": calls * size / seconds}


def pickup(subject: Subject, sync: str, *, samples: int) -> Result:
    """Seconds from the call of enqueue to the start of the handler, with every worker idle.

    One job at a time, and between two of them the pause of `pauses`.
    """
    started_at: list[float] = []
    began = threading.Semaphore(0)

    def handler() -> None:
        started_at.append(time.perf_counter())
        began.release()

    subject.serve(handler)
    time.sleep(0.3)
    called_at: list[float] = []
    for pause in pauses(samples):
        time.sleep(pause)
        called_at.append(time.perf_counter())
        subject.enqueue()
        if not began.acquire(timeout=DEADLINE_SECONDS):
            raise TimeoutError("no idle worker picked the job up")
    subject.stop()
    verify(subject.settings(), sync)
    return spread([b - a for a, b in zip(called_at, started_at, strict=True)])


def pauses(samples: int) -> list[float]:
    """Pauses of 2 to 12 ms: random, so that nothing falls in step, and the same for everyone."""
    source = random.Random(0)
    return [source.uniform(0.002, 0.012) for _ in range(samples)]


def spread(seconds: list[float]) -> Result:
    """The median and the 99th percentile of durations, in seconds."""
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return {"p50": cuts[49], "p99": cuts[98]}


def wait(event: threading.Event, what: str) -> None:
    """Wait for `event`, but not for ever."""
    if not event.wait(DEADLINE_SECONDS):
        raise TimeoutError(f"{what} did not come within {DEADLINE_SECONDS:.0f} s")


MEASURES: dict[str, Callable[..., Any]] = {
    "drain": drain,
    "enqueue": enqueue,
    "enqueue threads": enqueue_threads,
    "enqueue many": enqueue_many,
    "pickup": pickup,
}
