"""Requests to stop: the signals by which a person or a supervisor ends a program in order."""

from __future__ import annotations

import math
import os
import signal
import time
from types import FrameType

from ..queue.operators import PIECE_SECONDS, Wakeup
from .exits import INTERRUPTED


class StopRequests:
    """From now on, SIGTERM, SIGINT and SIGHUP end nothing halfway: they are requests. A Ctrl-C
    after the first request ends the process at once. Made in the main thread."""

    def __init__(self) -> None:
        self._asked: list[str] = []
        self._wakeup = Wakeup()  # which a signal handler may set at any moment
        self._stopping = False
        signal.signal(signal.SIGTERM, self._ask)
        for number in (signal.SIGINT, signal.SIGHUP):
            # A signal that is ignored from the start, as under nohup, stays ignored.
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._ask)

    def wait(self, seconds: float = math.inf) -> str | None:
        """Return the name of the first signal, once there is one; None if none comes so long."""
        until = time.monotonic() + seconds
        while not self._asked:
            left = until - time.monotonic()
            if left <= 0:
                return None
            self._wakeup.wait(min(left, PIECE_SECONDS))
        return self._asked[0]

    def _ask(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGINT and self._stopping:
            # The kernel unlocks the lock file, and recovery sees that the process died.
            os._exit(INTERRUPTED)
        self._stopping = True
        self._asked.append(signal.Signals(number).name)
        self._wakeup.set()
