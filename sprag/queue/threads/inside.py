"""The mark of a thread that is inside the queue, so that no call can wait for its own thread.

Python runs finalizers, callbacks of weak references and signal handlers between any two
bytecodes of any thread, also of one that holds a lock of ours, or that others wait for. If such
code called the queue, the call would wait for the thread that it has interrupted. So every thread
has a mark, which it carries wherever it takes a lock:

    with here.inside, self._mutex:

Where every nanosecond counts, `acquire` is the first call of a `try`, and `release` the only
one of its `finally`: no signal can come in between there either. And every public
call that might wait begins with `refuse_reentry()`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from ..errors import ReentrantCall


class _Here(threading.local):
    """The mark of the calling thread."""

    def __init__(self) -> None:
        # A lock that nobody else ever takes: C code enters and leaves it in one step, so that
        # no exception of a signal handler can leave it behind, as it could a counter of ours.
        self.inside = threading.RLock()
        """Held while the thread holds one of our locks, or waits for one, or others for it."""
        self.is_inside = owned(self.inside)


def owned(lock: threading.RLock) -> Callable[[], bool]:
    """Return a function that says whether the calling thread holds this lock."""
    asked: Callable[[], bool] = lock._is_owned  # type: ignore[attr-defined]  # as a Condition asks
    return asked


here: Final = _Here()


def refuse_reentry() -> None:
    """Raise ReentrantCall if this thread was interrupted inside the queue."""
    if here.is_inside():
        raise ReentrantCall
