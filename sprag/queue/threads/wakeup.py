"""How one thread wakes another, whatever it is doing itself."""

from __future__ import annotations

import threading


class Wakeup:
    """Like threading.Event, for one thread that waits.

    An Event has a lock of its own. If a finalizer or signal handler sets the Event while its
    thread is inside that lock, the thread waits forever. A SimpleQueue, of which Python allows the
    put() at any moment, is no way out: in 3.11 and 3.12 its get() forgets its time-out, and waits
    forever, if a signal comes to the thread as that ends.
    """

    __slots__ = ("_unset",)

    def __init__(self) -> None:
        # Held while it is not set. Each use of it is one step of C code.
        self._unset = threading.Lock()
        self._unset.acquire()

    is_left = False
    """Always False: the thread that waits removes this itself when it stops waiting."""

    def is_set(self) -> bool:
        return not self._unset.locked()

    def set(self) -> None:
        """Wake the thread that waits, or that will."""
        if self._unset.locked():
            try:
                self._unset.release()
            except RuntimeError:
                return  # another thread was faster

    def clear(self) -> None:
        """Forget that it was set. Only the thread that waits may call this."""
        self._unset.acquire(blocking=False)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, but at most `timeout` seconds. If it was set, clear it and return
        True."""
        return self._unset.acquire(timeout=-1 if timeout is None else max(timeout, 0))


class Latch:
    """Like threading.Event, but once it is set, it stays so.

    What a signal handler raises in the midst of an Event's method can leave its lock held, and
    every thread that waits for it would wait forever.
    """

    __slots__ = ("_set", "_wakeup")

    def __init__(self) -> None:
        self._set = False
        self._wakeup = Wakeup()

    def set(self) -> None:
        """Wake every thread that waits, or that will."""
        self._set = True
        self._wakeup.set()

    def is_set(self) -> bool:
        return self._set

    def wait(self, timeout: float) -> bool:
        """Wait until it is set, or so many seconds; whether it is."""
        if not self.is_set():
            self._wakeup.wait(timeout)
            if self.is_set():
                self._wakeup.set()  # for the next who waits
        return self.is_set()
