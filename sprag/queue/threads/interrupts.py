"""Signals: waits that Ctrl-C ends, and SIGTERM in `with queue:`.

Python runs signal handlers in the main thread, between any two bytecodes, and they may raise there:
Python's own for Ctrl-C does. An opening, a start and a stop are kept from that (`elsewhere`).
Whatever else is torn, the queue's other threads put right: they look now and then (`commit`,
`Store.give_back`).

A forked child has SIGTERM back as it was before `with queue:`.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Final

from .elsewhere import PIECE_SECONDS
from .wakeup import Wakeup


def wait(wakeup: Wakeup, seconds: float) -> None:
    """Wait until somebody wakes this thread, or so many seconds. Ctrl-C ends it."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if wakeup.wait(min(left, PIECE_SECONDS)):
            return


def only_tell(interrupted: Callable[[], object]) -> None:
    """At Python's exit, where nothing is done elsewhere any more: let Ctrl-C, and the SIGTERM of
    `with queue:`, call `interrupted` instead of raising, from now on."""
    if not _is_main():
        return
    for number, ours in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, _exit)):
        if signal.getsignal(number) is ours:
            signal.signal(number, lambda _signal, _frame: interrupted())


# ---------------------------------------------------------------- SIGTERM in `with queue:`


class Sigterm:
    """Lets SIGTERM leave one `with queue:` in order, instead of ending the process at once: if
    nothing handles it, it becomes SystemExit. Ctrl-C is KeyboardInterrupt already."""

    def __init__(self) -> None:
        self._minds = False

    def mind(self) -> None:
        """From now on, if the main thread says so."""
        if _is_main() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, _exit)
            self._minds = True

    def forget(self) -> None:
        """Let it do again what it did before, if that was changed here."""
        if self._minds and _is_main():
            _forget()
            self._minds = False


def _is_main() -> bool:
    return threading.current_thread() is threading.main_thread()


def _forget() -> None:
    if signal.getsignal(signal.SIGTERM) is _exit:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _exit(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + signal.SIGTERM)


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
    _forget()
    _after_fork()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_forked)
