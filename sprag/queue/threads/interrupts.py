"""Keep Ctrl-C from tearing apart what belongs together.

Python runs signal handlers in the main thread, between any two bytecodes. A
KeyboardInterrupt in a start or a stop would leave half of a queue.
`shielded` puts off what this package's own handlers raise until the block has
ended: that of SIGINT, where it was Python's default, and that of SIGTERM in
`with queue:`. An application's handlers are left alone; what they tear is found
and given back (`Store.give_back`), and a shield that they leave up is lowered.

A forked child has SIGTERM back as it was before `with queue:`.

What may take long is waited for in short pieces: a signal that arrives after
Python's last look and before a wait begins does not end it, and is noticed only
after it.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Final

from .inside import here
from .wakeup import Wakeup

# To ask for the handler takes longer than all else here.
_LOOK_SECONDS: Final = 0.05

# How long a signal may go unnoticed that arrived just before a wait began.
PIECE_SECONDS: Final = 0.2


class _Shield:
    """Reentrant, and free of cost in other threads than the main one.

    `with shielded:` is for code inside the queue (`here.inside`), and outside of it one that is up
    was left so. `with shielded.throughout():` is for code that calls others' as well.
    """

    def __init__(self) -> None:
        self.forked()

    def forked(self) -> None:
        """Begin anew: in a child, the thread that forked is the main one."""
        self._main = threading.main_thread().ident
        self.depth = 0
        self._throughout = 0
        self._look_at = 0.0
        self._pending: BaseException | None = None

    def __enter__(self) -> None:
        if threading.get_ident() == self._main:
            if not self.depth and time.monotonic() > self._look_at:
                self._look_at = time.monotonic() + _LOOK_SECONDS
                _install()
            self.depth += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if threading.get_ident() == self._main and self.depth:
            self.depth -= 1
            pending = self._pending
            if pending is not None and not self.depth:
                self._pending = None
                raise pending

    @contextmanager
    def throughout(self) -> Iterator[None]:
        """Like `with shielded:`, but for a block that is not inside the queue all the while."""
        main = threading.get_ident() == self._main
        try:
            self._throughout += main
            with self:
                yield
        finally:
            self._throughout -= main

    @property
    def interrupted(self) -> bool:
        """True if this block holds something back: what can wait no longer should end."""
        return self._pending is not None and threading.get_ident() == self._main

    def interrupt(self, error: BaseException) -> None:
        """Raise `error` here, or at the end of the block that must not be torn."""
        if self.depth and (self._throughout or here.is_inside()):
            self._pending = error
        else:
            raise error

    def lower(self) -> None:
        """To be called outside of the queue: what is still up was left so by an exception of an
        application's signal handler."""
        if threading.get_ident() == self._main and not self._throughout:
            self.depth = 0
            pending, self._pending = self._pending, None
            if pending is not None:
                raise pending


shielded: Final = _Shield()
os.register_at_fork(after_in_child=shielded.forked)


def _keyboard_interrupt(_signal: int, _frame: FrameType | None) -> None:
    shielded.interrupt(KeyboardInterrupt())


def _install() -> None:
    """Make `shielded` effective, again and again: a notebook sets Python's handler anew for each
    cell. In the main thread only, as Python demands."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _keyboard_interrupt)


# ---------------------------------------------------------------- waiting


def wait(wakeup: Wakeup, seconds: float) -> None:
    """Wait until somebody wakes this thread, or so many seconds. Ctrl-C ends it."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if wakeup.wait(min(left, PIECE_SECONDS)):
            return


# ---------------------------------------------------------------- SIGTERM in `with queue:`


def mind_sigterm() -> bool:
    """In the main thread: let SIGTERM raise SystemExit if nothing else handles it; True if so."""
    minds = threading.current_thread() is threading.main_thread() and (
        signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    )
    if minds:
        signal.signal(signal.SIGTERM, _exit)
    return minds


def forget_sigterm() -> bool:
    """In the main thread: let SIGTERM do again what it did before `mind_sigterm`; whether so."""
    if threading.current_thread() is not threading.main_thread():
        return False
    if signal.getsignal(signal.SIGTERM) is _exit:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    return True


def _exit(_signal: int, _frame: FrameType | None) -> None:
    shielded.interrupt(SystemExit(128 + signal.SIGTERM))


# A forked child has no queue to stop in order, so SIGTERM ends it as it would have before. Held
# back meanwhile: Python forgets a signal that comes before its own part of a fork is over, and
# takes the SystemExit of one that comes in such a function as these for an error to be ignored.
_fork: Final = threading.local()


def _before_fork() -> None:
    if signal.getsignal(signal.SIGTERM) is _exit:
        _fork.mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


def _after_fork() -> None:
    mask = _fork.__dict__.pop("mask", None)
    if mask is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _forked() -> None:
    forget_sigterm()
    _after_fork()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_forked)
