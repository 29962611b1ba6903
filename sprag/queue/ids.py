"""Job ids: 32 hexadecimal digits that sort by time and cannot be guessed.

The first 13 digits are microseconds since 1970, strictly growing within a
process; the other 19 are 76 bits from the operating system. (UUIDv7, RFC 9562,
has the same idea; dashes and version bits bring a queue nothing.)
"""

from __future__ import annotations

import os
import re
import threading
import time
from typing import Final

_RANDOM_DIGITS: Final = 19
_SHAPE: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)

_lock = threading.Lock()
_last = 0


def new_ids(count: int) -> list[str]:
    """`count` fresh ids, in growing order."""
    global _last  # noqa: PLW0603  # one clock a process: ids grow across all queues
    with _lock:
        first = max(time.time_ns() // 1000, _last + 1)
        _last = first + count - 1
    noise = os.urandom(10 * count).hex()
    return [f"{first + n:013x}{noise[20 * n : 20 * n + _RANDOM_DIGITS]}" for n in range(count)]


def is_job_id(value: object) -> bool:
    """Whether `value` has the shape of a job id."""
    return isinstance(value, str) and _SHAPE.fullmatch(value) is not None
