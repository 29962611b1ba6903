"""Queues that are paused: no process starts their jobs."""

from __future__ import annotations

from typing import NamedTuple

from ..durations import END_OF_TIME
from ..file.database import Database
from ..threads.inside import here
from .rows import changed_by, row_of, rows_of, shown
from .tickets import Write


class Pause(NamedTuple):
    """Why a queue's jobs are not started, and since when, in unix seconds."""

    reason: str | None
    since: float


def pause_of(reason: str | None, since: float) -> Pause:
    """The pause of a row. What is no date, from another program, becomes 1970."""
    return Pause(reason, since if 0 <= since < END_OF_TIME else 0.0)


class Pauses:
    """Reads and writes of the pauses of one `Database`. The claim of jobs asks for them itself, in
    its own transaction: once a pause is committed, no process starts a job of the queue."""

    def __init__(self, database: Database, write: Write) -> None:
        self._database = database
        self._write = write

    def of(self, queue: str) -> Pause | None:
        """The pause of a queue; None if it is not paused."""
        with here.inside, self._database.reading() as reader:
            row = row_of(reader, "pause_of", queue=queue)
        return None if row is None else pause_of(*shown(row))

    def all(self) -> dict[str, Pause]:
        """The pauses of all queues that are paused."""
        with here.inside, self._database.reading() as reader:
            rows = rows_of(reader, "pauses")
        return {queue: pause_of(reason, since) for queue, reason, since in map(shown, rows)}

    def pause(self, queue: str, reason: str | None) -> None:
        """Let no process start jobs of a queue from now on. If it is paused already, only the
        reason changes."""
        self._write(
            lambda connection, now: changed_by(
                connection, "pause", queue=queue, reason=reason, now=now
            )
        )

    def resume(self, queue: str) -> bool:
        """Let the jobs of a queue be started again; False if it was not paused."""
        return self._write(
            lambda connection, _now: changed_by(connection, "resume", queue=queue) > 0
        )
