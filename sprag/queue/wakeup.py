"""How one thread wakes another, whatever it is doing itself."""

from __future__ import annotations

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
