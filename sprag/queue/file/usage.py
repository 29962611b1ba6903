"""Which threads are using a file's connections, so that a close or a fork can wait for them."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..threads.inside import here


class Usage:
    """The users of one file. `mutex` also protects what they share."""

    def __init__(self) -> None:
        self.forked()

    def forked(self) -> None:
        """Begin anew: in a child, threads that it does not have may hold the mutex."""
        # Reentrant: the garbage collector ends the uses that a Ctrl-C has cut off. It runs in any
        # thread at any line, also in one that holds the mutex.
        self.mutex = threading.RLock()
        self._ended = threading.Condition(self.mutex)
        # By thread, each with a token for that use, and the thread's mark.
        self._users: dict[int, tuple[object, threading.RLock]] = {}
        self._resting = False

    @contextmanager
    def one(self, check: Callable[[], None]) -> Iterator[None]:
        """Be a user during this block. Waits until no fork is under way; `check` may raise.

        The calling thread carries the mark of `inside`, from before to after the block.
        """
        # A Ctrl-C between any two of these lines can leave a thread among the users; but not with
        # its mark. Its next use takes the place of that one, which must not end it when it is
        # collected at last.
        me, use = threading.get_ident(), (object(), here.inside)
        try:
            with self.mutex:
                while self._resting:
                    self._ended.wait()
                check()
                self._users[me] = use
            yield
        finally:
            if self._users.get(me) is use:
                del self._users[me]
            with self.mutex:
                self._ended.notify_all()

    def wait_ended(self, seconds: float = math.inf) -> bool:
        """Wait for other threads, with the mutex held. True if none is a user now."""
        deadline = time.monotonic() + seconds
        while self._has_others():
            if time.monotonic() > deadline:
                return False
            self._ended.wait(0.1)
        return True

    def _has_others(self) -> bool:
        # This thread cannot be one while it is here, whatever a Ctrl-C has left behind.
        me = threading.get_ident()
        return any(_is_held(mark) for user, (_, mark) in self._users.copy().items() if user != me)

    def rest(self, seconds: float) -> bool:
        """Let no new use begin. True if all that were under way have ended within `seconds`."""
        with self.mutex:
            self._resting = True
            return self.wait_ended(seconds)

    def go_on(self) -> None:
        """Let uses begin again."""
        with self.mutex:
            self._resting = False
            self._ended.notify_all()


def _is_held(mark: threading.RLock) -> bool:
    if mark.acquire(blocking=False):
        mark.release()
        return False
    return True
