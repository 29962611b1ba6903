"""Jobs that cannot be started, and are passed over: what another program has made of one must not
keep the others."""

from __future__ import annotations

from typing import Final

import apsw

from ..file.meaning import ENVIRONMENT
from ..threads.logs import Log
from . import moves
from .moves import Unclaimable
from .rows import savepoint
from .tickets import Run

log: Final = Log("sprag.queue")


class Aside:
    """The keys of these jobs, of the queues that have any. Used by one thread at a time."""

    def __init__(self) -> None:
        self._keys: dict[str, set[int]] = {}

    def __contains__(self, queue: str) -> bool:
        return queue in self._keys

    def expect(self, error: Unclaimable) -> None:
        """Take note that the queue may have such a job."""
        log.error("jobs of %s cannot be started as they come, so each is tried by itself: %s",
                  error.queue, error.__cause__)  # fmt: skip
        self._keys[error.queue] = set()

    def claim(
        self,
        connection: apsw.Connection,
        now: float,
        queue: str,
        count: int,
        owner: int,
        tasks: str | None = None,
    ) -> list[Run]:
        """Like `moves.claim`, but each job by itself, past those that cannot be started."""
        aside = self._keys[queue]
        runs: list[Run] = []
        while True:
            keys = moves.claimable(connection, queue, count + len(aside), tasks)
            fresh = [key for key in keys if key not in aside][: count - len(runs)]
            if not fresh:
                break
            for key in fresh:
                try:
                    with savepoint(connection):
                        run = moves.start(connection, now, key, owner)
                except ENVIRONMENT:
                    raise
                except (apsw.Error, UnicodeError) as error:
                    aside.add(key)
                    log.error("the job with the key %d of %s cannot be started and is passed over "
                              "(`sprag check` may say more): %s", key, queue, error)  # fmt: skip
                else:
                    runs += [] if run is None else [run]
        aside.intersection_update(keys)
        if not aside:
            del self._keys[queue]
        return runs
