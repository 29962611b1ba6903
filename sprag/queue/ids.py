"""Job ids: 32 hexadecimal digits that sort by time and cannot be guessed.

The first 13 digits are microseconds since 1970 and always grow within a
process; the other 19 are 76 random bits from the operating system. (UUIDv7,
RFC 9562, is the same idea; a queue has no use for its dashes and version bits.)
"""

from __future__ import annotations

import os
import re
import threading
import time
from typing import Final

from .errors import ReentrantCall
from .threads.inside import here

_RANDOM_DIGITS: Final = 19
_SHAPE: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)

_POOL: Final = 256
_END_OF_TIME: Final = 16**13 - 2**40

_lock = threading.Lock()
_last = 0
# Random digits for the next ids. The system is asked for many at a time: right after the sync of a
# commit, even a small request takes longer than all that Python does for an enqueue.
_tails: list[str] = []


def new_ids(count: int) -> list[str]:
    """Return `count` new ids, in growing order."""
    if here.is_inside():
        raise ReentrantCall
    return ids_inside(count)


def ids_inside(count: int) -> list[str]:
    """Like `new_ids`, but for a thread of the queue's own, which is inside all the time."""
    global _last  # noqa: PLW0603  # one clock per process, so that ids grow across all queues
    inside = here.inside
    try:
        inside.acquire()
        with _lock:
            first = time.time_ns() // 1000
            # A clock that is far off, or goes back, must not spoil the shape or the order.
            first = max(first if first < _END_OF_TIME else 0, _last + 1)
            _last = first + count - 1
            # hex() of such a number is "0x1" and the 13 digits, in half the time of a format.
            if count == 1:
                if not _tails:
                    _tails.extend(_random_tails(_POOL))
                return [hex(16**13 + first)[3:] + _tails.pop()]
            tails = _random_tails(count)
            return [hex(n)[3:] + tail for n, tail in enumerate(tails, 16**13 + first)]
    finally:
        inside.release()


def _random_tails(count: int) -> list[str]:
    noise = os.urandom(10 * count).hex()
    return [noise[20 * n : 20 * n + _RANDOM_DIGITS] for n in range(count)]


def _forked() -> None:
    global _lock  # noqa: PLW0603  # a thread that the child lacks may have held it
    _lock = threading.Lock()
    _tails.clear()


os.register_at_fork(after_in_child=_forked)


def is_job_id(value: object) -> bool:
    """Return True if `value` looks like a job id."""
    return isinstance(value, str) and _SHAPE.fullmatch(value) is not None


def made_at(id_: str | None) -> float | None:
    """When an id was made, in unix seconds; None if it is not an id."""
    return int(id_[:-_RANDOM_DIGITS], 16) / 1e6 if id_ is not None and is_job_id(id_) else None
