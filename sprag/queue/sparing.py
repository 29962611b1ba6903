"""Expensive reads, shared by everyone who asks at the same time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from .threads.inside import here

T = TypeVar("T")

_LEAST: Final = 0.2
_FACTOR: Final = 10.0


class Sparing(Generic[T]):
    """Calls `read` again only after ten times as long as it took, and at least `least` seconds, by
    default 0.2.

    Anyone who asks until then gets the last value. Two reads never run at once.
    """

    def __init__(
        self,
        read: Callable[[], T],
        clock: Callable[[], float] = time.monotonic,
        *,
        least: float | None = None,
    ) -> None:
        self._read = read
        self._least = least
        self._clock = clock
        self._mutex = threading.Lock()
        self._last: tuple[float, T] | None = None

    def __call__(self) -> T:
        with here.inside, self._mutex:
            begin = self._clock()
            if self._last is not None and begin < self._last[0]:
                return self._last[1]
            value = self._read()
            end = self._clock()
            least = _LEAST if self._least is None else self._least
            self._last = (end + max(least, _FACTOR * (end - begin)), value)
            return value

    def forget(self) -> None:
        """Read again at the next call: something was changed that the caller wants to see."""
        with here.inside, self._mutex:
            self._last = None
