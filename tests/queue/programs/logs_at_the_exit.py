"""Log right before the exit, and in one of its functions."""

from __future__ import annotations

import atexit

from sprag.queue.threads.inside import here
from sprag.queue.threads.logs import Log

log = Log("sprag.queue")


def last() -> None:
    with here.inside:
        log.error("at the very end")


atexit.register(last)
log.error("before the end")
