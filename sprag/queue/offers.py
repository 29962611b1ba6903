"""What this process has enqueued into one queue, and whether anybody runs that."""

from __future__ import annotations

import math
from typing import Final

from . import errors
from .threads.logs import Log
from .work.attendance import MOST, is_unattended, words
from .work.engine import Engine

log: Final = Log("sprag.queue")

# A queue that nobody runs is reported at the first enqueue that comes this long after another.
_LOOK_SECONDS: Final = 10.0

_told: Final[set[tuple[str, str]]] = set()
"""The queues, by file and name, that this process has run, or has reported as run by nobody."""


class Offers:
    """Says in the log, once for each queue, that jobs wait and no process runs them; never of a
    queue that this process has run. `handles`: its class has a handler."""

    def __init__(self, *, handles: bool) -> None:
        self.look_at = 0.0
        """When an enqueue should ask again whether anybody runs the queue, in unix seconds."""
        self._handles = handles
        self._any = False

    def is_run(self, engine: Engine, queue: str) -> None:
        """Take note that this process runs it."""
        _told.add((engine.path, queue))

    def enqueued(self, now: float, engine: Engine, queue: str) -> None:
        """To be called after an enqueue at a time past `look_at`."""
        if self._any:
            self.say_if_unattended(engine, queue)
        else:
            self._any, self.look_at = True, now + _LOOK_SECONDS

    def say_if_unattended(self, engine: Engine | None, queue: str) -> None:
        """Log that jobs wait and no process runs them, if they were enqueued here."""
        self.look_at = math.inf
        if not self._any or engine is None or engine.database.forked:
            return
        self._any = False
        try:
            if (engine.path, queue) in _told or not is_unattended(engine, queue):
                return
            waiting = engine.store.jobs.queued(queue, MOST + 1)
        except errors.QueueError:
            return
        if waiting:
            _told.add((engine.path, queue))
            # A class without a handler leaves its jobs to other processes, which may start later.
            say = log.warning if self._handles else log.info
            say("queue %r of %s: %s. Call start(), or use `with queue:`, in a process that goes "
                "on, or run `sprag work`", queue, engine.path, words(waiting))  # fmt: skip
