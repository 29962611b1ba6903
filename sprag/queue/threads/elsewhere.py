"""Do something in a thread of its own, where no signal handler can tear it.

Python runs signal handlers in the main thread, between any two bytecodes, and what one raises, such
as KeyboardInterrupt, ends whatever the main thread was doing. An opening, a start or a stop that
ended so would leave half of a queue. So the main thread hands these to another thread and only
waits for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from .starting import start
from .wakeup import Wakeup

R = TypeVar("R")

PIECE_SECONDS: Final = 0.2
"""What may take long is waited for in pieces: a signal that arrives after Python's last look for
one, and before a wait begins, does not end that wait."""


def elsewhere(
    what: str,
    run: Callable[[], R],
    *,
    interrupted: Callable[[], object] = lambda: None,
    undo: Callable[[], object] = lambda: None,
) -> R:
    """Return what `run()` returns, or raise what it raises.

    In the main thread, `run` has a thread of its own, named `sprag-<what>`, and comes to its end
    whatever signals come. What a signal handler raises is raised once that is so; `interrupted` is
    called before, to cut short what may take long, and `undo` where `run` ended well all the same.
    In other threads, which signals spare, and where no thread can be started, as at Python's exit,
    the calling thread does it.
    """
    call = _Call(run)
    if threading.current_thread() is not threading.main_thread():
        call.carry_out()
        return call.answer()
    raised: BaseException | None = None
    handed_over = told = False
    while not call.ended:
        try:
            if not handed_over:
                # Should a signal handler raise right after it, there will be two: no harm is done.
                start(call.carry_out, f"sprag-{what}", daemon=False)
                handed_over = True
            if raised is not None and not told:
                told = True
                interrupted()
            call.end.wait(PIECE_SECONDS)
        except BaseException as error:  # noqa: BLE001  # raised below
            if handed_over or not _is_no_thread(error):
                raised = raised or error
            else:
                handed_over = True
                call.carry_out()
    # Its thread may be there for a moment longer. Thread.join() takes a lock of Python's, so a
    # signal handler that calls this in its midst would wait forever.
    if raised is not None:
        if call.went_well:
            elsewhere(what, undo)
        raise raised
    return call.answer()


def _is_no_thread(error: BaseException) -> bool:
    return isinstance(error, RuntimeError) and "new thread" in str(error)


class _Call(Generic[R]):
    """Carried out once, by whoever comes first."""

    def __init__(self, run: Callable[[], R]) -> None:
        self._left = [run]
        self._results: list[R] = []
        self._error: BaseException | None = None
        self.ended = False
        self.end = Wakeup()

    def carry_out(self) -> None:
        try:
            run = self._left.pop()
        except IndexError:
            return
        try:
            self._results.append(run())
        except BaseException as error:  # noqa: BLE001  # the caller's
            self._error = error
        finally:
            self.ended = True
            self.end.set()

    @property
    def went_well(self) -> bool:
        return bool(self._results)

    def answer(self) -> R:
        if self._error is not None:
            try:
                raise self._error
            finally:
                self._error = None  # or its traceback and this would keep one another
        return self._results.pop()
