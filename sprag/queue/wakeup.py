"""How one thread wakes another, whatever it is doing itself."""

from __future__ import annotations

from contextlib import suppress
from queue import Empty, SimpleQueue


class Wakeup:
    """Like threading.Event, for one thread that waits.

    An Event has a lock of its own. If a finalizer or signal handler sets the Event while its
    thread is inside that lock, the thread waits forever.
    """

    __slots__ = ("_calls",)

    def __init__(self) -> None:
        # Python allows its put() at any moment.
        self._calls: SimpleQueue[None] = SimpleQueue()

    is_left = False
    """Always False: the thread that waits removes this itself when it stops waiting."""

    def is_set(self) -> bool:
        return self._calls.qsize() > 0

    def set(self) -> None:
        """Wake the thread that waits, or that will."""
        if not self._calls.qsize():  # a wake-up too many costs only one more look
            self._calls.put(None)

    def clear(self) -> None:
        """Forget that it was set. Only the thread that waits may call this."""
        while self._calls.qsize():
            self._calls.get()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, but at most `timeout` seconds. If it was set, clear it and return
        True."""
        try:
            self._calls.get(timeout=timeout)
        except Empty:
            return False
        return True


class Latch:
    """Like threading.Event, but once it is set, it stays so.

    What a signal handler raises in the midst of an Event's method can leave its lock held, and
    every thread that waits for it would wait forever.
    """

    __slots__ = ("_calls", "_set")

    def __init__(self) -> None:
        self._set = False
        self._calls: SimpleQueue[None] = SimpleQueue()

    def set(self) -> None:
        """Wake every thread that waits, or that will."""
        self._set = True
        self._calls.put(None)

    def is_set(self) -> bool:
        return self._set

    def wait(self, timeout: float) -> bool:
        """Wait until it is set, or so many seconds; whether it is."""
        if not self.is_set():
            with suppress(Empty):
                self._calls.get(timeout=timeout)
            if self.is_set():
                self._calls.put(None)  # for the next who waits
        return self.is_set()
