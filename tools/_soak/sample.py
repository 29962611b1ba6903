"""What a process takes up at one moment, and the series of such moments."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Sample:
    """One moment."""

    at: float
    """Seconds since the first one."""
    memory: float
    """Resident, MB."""
    threads: int
    descriptors: int
    wal: float
    """The size of the write-ahead log's file, MB."""
    database: float
    """The size of the database's file, MB."""
    backlog: int
    """Jobs that wait."""
    rate: float
    """Jobs that ended, a second, since the previous sample."""
    released: float
    """Seconds since the stuck reader let go; 0 while it holds its snapshot."""


class Sampler:
    """Takes a sample each `seconds` in a thread of its own, from `start()` to `stop()`."""

    def __init__(
        self,
        path: Path,
        seconds: float,
        backlog: Callable[[], int],
        ended: Callable[[], int],
        released: Callable[[], float],
    ) -> None:
        self.samples: list[Sample] = []
        self._path = path
        self._seconds = seconds
        self._backlog = backlog
        self._ended = ended
        self._released = released
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="soak-sampler")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        begin = time.monotonic()
        before, ended = begin, self._ended()
        while not self._stop.wait(self._seconds):
            now, total = time.monotonic(), self._ended()
            self.samples.append(
                Sample(
                    now - begin,
                    memory(),
                    threading.active_count(),
                    len(list(Path("/dev/fd").iterdir())),
                    _size(f"{self._path}-wal"),
                    _size(self._path),
                    self._backlog(),
                    (total - ended) / (now - before),
                    self._released(),
                )
            )
            before, ended = now, total


def memory() -> float:
    """What this process has in memory now, MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MEGABYTE


def _size(path: Path | str) -> float:
    try:
        return Path(path).stat().st_size / MEGABYTE
    except FileNotFoundError:
        return 0.0
