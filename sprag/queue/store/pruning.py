"""Deleting finished jobs, with their history."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import apsw

from ..file.database import Database
from ..states import TERMINAL
from ..threads.inside import here
from .rows import row_of, rows_of, value_of
from .tickets import Write

_CHUNK: Final = 5_000


class Prunable(NamedTuple):
    """How many jobs would be deleted; `complete` is False if not all were counted."""

    jobs: int
    complete: bool


class Pruning:
    """Deletes finished jobs of one `Database`. The newest job of the file and the one that moved
    last always stay."""

    def __init__(self, database: Database, write: Write) -> None:
        self._database = database
        self._write = write

    def prune(
        self, queue: str, before: float | None, keep: int | None, most: float = math.inf
    ) -> int:
        """Delete the finished jobs of a queue that ended before `before`, and all but the
        newest `keep`, until `most` are gone; how many. In transactions of some hundred rows, so
        nobody waits long."""
        with here.inside, self._database.reading() as reader:
            limits = _limits(reader, queue, before, keep)
        pruned = 0
        for status in sorted(TERMINAL):
            after = 0
            while pruned < most:
                bindings = {"queue": queue, "status": status, "after": after, **limits}
                keys = self._write(functools.partial(_prune, bindings))
                if not keys:
                    break
                pruned += len(keys)
                after = max(keys)
        return pruned

    def prunable(
        self, queue: str, before: float | None, keep: int | None, seconds: float = 1.0
    ) -> Prunable:
        """How many jobs `prune` would delete; it counts for about `seconds`."""
        deadline = time.monotonic() + seconds
        count = 0
        with here.inside, self._database.snapshot() as reader:
            limits = _limits(reader, queue, before, keep)
            for status in sorted(TERMINAL):
                after: int | None = 0
                while after is not None:
                    if time.monotonic() > deadline:
                        return Prunable(count, complete=False)
                    ((after, matching),) = rows_of(
                        reader, "prunable", queue=queue, status=status, after=after,
                        count=_CHUNK, **limits,
                    )  # fmt: skip
                    count += matching or 0
        return Prunable(count, complete=True)

    def delete(self, ids: Sequence[str]) -> list[str]:
        """Delete finished jobs in one commit; the ids of those that were."""

        def run(connection: apsw.Connection, _now: float) -> list[str]:
            rows = (row_of(connection, "delete", id=id_) for id_ in ids)
            return [id_ for id_, row in zip(ids, rows, strict=True) if row is not None]

        return self._write(run)


def _limits(
    reader: apsw.Connection, queue: str, before: float | None, keep: int | None
) -> dict[str, Any]:
    boundary = 0
    if keep is not None:
        boundary = value_of(reader, "prune_boundary", queue=queue, keep=keep) or 0
    return {"before": -1.0 if before is None else before, "boundary": boundary}


def _prune(bindings: dict[str, Any], connection: apsw.Connection, _now: float) -> list[int]:
    return [key for (key,) in rows_of(connection, "prune", **bindings)]
