"""What goes wrong in a handler because Python itself is ending.

When the main thread has ended, Python ends its executors first, and only then calls what `atexit`
knows, such as the stop of a queue. Meanwhile a handler that needs another thread fails, however
good its item is: `asyncio.to_thread`, an awaitable twin, an executor of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator

from ..errors import told


def is_due_to_the_exit(error: BaseException) -> bool:
    """True if the error comes, directly or not, from a thread that Python no longer gives."""
    return any(_refuses_a_thread(one) for one in _origins(error))


def _refuses_a_thread(error: BaseException) -> bool:
    if not isinstance(error, RuntimeError):
        return False
    text = told(error)
    # "cannot schedule new futures after interpreter shutdown", "can't create new thread at
    # interpreter shutdown"; and of an executor that the application has ended at the exit.
    return "interpreter shutdown" in text or (
        "cannot schedule new futures" in text and not threading.main_thread().is_alive()
    )


def _origins(error: BaseException) -> Iterator[BaseException]:
    """The error and all that it was raised from or while, or that it is a group of."""
    seen: set[int] = set()
    pending: list[BaseException | None] = [error]
    while pending:
        one = pending.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        pending += [one.__cause__, one.__context__]
        if isinstance(one, BaseExceptionGroup):
            pending += one.exceptions
