"""Starting jobs for the workers that want some."""

from __future__ import annotations

from typing import Any, Final

import apsw

from ..file.meaning import ENVIRONMENT
from ..threads.logs import Log
from .rows import row_of, rows_of, savepoint
from .tickets import Run

log: Final = Log("sprag.queue")


class Unclaimable(Exception):
    """Some job of a queue cannot be started, and for no reason of the disk's."""

    def __init__(self, queue: str) -> None:
        super().__init__(queue)
        self.queue = queue


class Claims:
    """Claims jobs inside of a transaction; used by one thread at a time."""

    def __init__(self) -> None:
        self.allowed = True
        """False while nothing may be started, because the disk has no room for its outcome."""
        # The keys of jobs that cannot be started, of the queues that have any.
        self._aside: dict[str, set[int]] = {}

    def start(
        self, connection: apsw.Connection, now: float, queue: str, count: int, owner: int
    ) -> list[Run]:
        """Start the next jobs of a queue, at most `count`.

        Raises Unclaimable if one of them cannot be started; after `pick`, it is passed over.
        """
        if not self.allowed:
            return []
        bindings: dict[str, Any] = {"owner": owner, "now": now}
        if queue in self._aside:
            return self._start_singly(connection, queue, count, bindings)
        try:
            rows = rows_of(connection, "claim", queue=queue, count=count, **bindings)
        except ENVIRONMENT:
            raise
        except (apsw.Error, UnicodeError) as error:
            raise Unclaimable(queue) from error
        return list(map(Run._make, rows))

    def pick(self, error: Unclaimable) -> None:
        """From now on, try each job of the queue by itself."""
        log.error("jobs of %s cannot be started as they come, so each is tried by itself: %s",
                  error.queue, error.__cause__)  # fmt: skip
        self._aside[error.queue] = set()

    def _start_singly(
        self, connection: apsw.Connection, queue: str, count: int, bindings: dict[str, Any]
    ) -> list[Run]:
        """Like `start`, but past the jobs that cannot be started: what another program has made
        of one must not keep the others."""
        aside = self._aside[queue]
        runs: list[Run] = []
        while True:
            rows = rows_of(connection, "ready", queue=queue, count=count + len(aside))
            keys = [key for (key,) in rows]
            fresh = [key for key in keys if key not in aside][: count - len(runs)]
            if not fresh:
                break
            for key in fresh:
                try:
                    with savepoint(connection):
                        row = row_of(connection, "start", key=key, **bindings)
                except ENVIRONMENT:
                    raise
                except (apsw.Error, UnicodeError) as error:
                    aside.add(key)
                    log.error("the job with the key %d of %s cannot be started and is passed over "
                              "(`sprag check` may say more): %s", key, queue, error)  # fmt: skip
                else:
                    runs += [] if row is None else [Run._make(row)]
        aside.intersection_update(keys)
        if not aside:
            del self._aside[queue]
        return runs
