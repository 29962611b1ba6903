"""Keep Ctrl-C out of the few lines where it would tear a commit from its consequences.

Python runs signal handlers in the main thread, between any two bytecodes. A
KeyboardInterrupt between COMMIT and waking those whose jobs it started would
leave them asleep. `shielded` puts off what this package's own handlers raise
until the block has ended: that of SIGINT, where it was Python's default, and
that of SIGTERM in `with queue:`. An application's handlers are left alone; what they
tear is found and given back (`Journal.give_back`).
"""

from __future__ import annotations

import os
import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Final

# To ask for the handler takes longer than all else here.
_LOOK_SECONDS: Final = 0.05


class _Shield:
    """Reentrant, and free of cost in other threads than the main one."""

    def __init__(self) -> None:
        self.forked()

    def forked(self) -> None:
        """Begin anew: in a child, the thread that forked is the main one."""
        self._main = threading.main_thread().ident
        self._depth = 0
        self._look_at = 0.0
        self._pending: BaseException | None = None

    def __enter__(self) -> None:
        if threading.get_ident() == self._main:
            if not self._depth and time.monotonic() > self._look_at:
                self._look_at = time.monotonic() + _LOOK_SECONDS
                _install()
            self._depth += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if threading.get_ident() == self._main and self._depth:
            self._depth -= 1
            pending = self._pending
            if pending is not None and not self._depth:
                self._pending = None
                raise pending

    def interrupt(self, error: BaseException) -> None:
        """Raise `error` here, or at the end of the block that must not be torn."""
        if not self._depth:
            raise error
        self._pending = error


shielded: Final = _Shield()
os.register_at_fork(after_in_child=shielded.forked)


def _keyboard_interrupt(_signal: int, _frame: FrameType | None) -> None:
    shielded.interrupt(KeyboardInterrupt())


def _install() -> None:
    """Make `shielded` effective, again and again: a notebook sets Python's handler anew for each
    cell. In the main thread only, as Python demands."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _keyboard_interrupt)
