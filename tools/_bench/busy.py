"""Busy threads: pure Python that never waits, to see what it does to everybody else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def spin(stopping: Callable[[], bool]) -> int:
    """Compute without a pause until `stopping` says so."""
    value = 1
    while not stopping():
        for _ in range(1000):
            value = (value * 31 + 7) % 1_000_003
    return value


@contextmanager
def busy_threads(count: int) -> Iterator[None]:
    """`count` threads that spin as long as the block lasts."""
    stop = threading.Event()
    threads = [threading.Thread(target=spin, args=(stop.is_set,)) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
