"""How one thread wakes another, from wherever it is."""

from __future__ import annotations

from queue import Empty, SimpleQueue


class Wakeup:
    """Like threading.Event, for one thread that waits.

    An Event holds a lock of Python's own for moments: a finalizer or signal handler that sets it
    while the same thread waits for it, or sets it, would wait forever.
    """

    __slots__ = ("_calls",)

    def __init__(self) -> None:
        # Its put() may be called at any moment, says Python.
        self._calls: SimpleQueue[None] = SimpleQueue()

    is_left = False
    """Whoever waits for it does so in a thread, which takes its leave."""

    def is_set(self) -> bool:
        return self._calls.qsize() > 0

    def set(self) -> None:
        """Wake the thread that waits, or that will."""
        if not self._calls.qsize():  # one call too many only means one look too many
            self._calls.put(None)

    def clear(self) -> None:
        """To be called by the thread that waits."""
        while self._calls.qsize():
            self._calls.get()

    def wait(self, timeout: float | None = None) -> bool:
        """True if it was set, within `timeout` seconds if given; it is clear then."""
        try:
            self._calls.get(timeout=timeout)
        except Empty:
            return False
        return True
