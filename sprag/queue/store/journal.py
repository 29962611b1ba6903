"""The journal as subscribers get it: the moves of jobs, stored progress, and notices, which are
written here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import apsw

from .. import errors
from ..file.database import Database
from ..job import Notice, Reported, Transition
from ..threads.inside import here
from .records import reported_of, transition_of
from .rows import Row, rows_of, value_of
from .tickets import Write

# A page that was away for longer has been loaded anew.
_NOTICE_SECONDS: Final = 3600.0


class News(NamedTuple):
    """What happened after some place in the journal."""

    moves: list[Transition]
    reports: list[Reported]


class Head(NamedTuple):
    """The newest seq and progress tick; 0 if there is none."""

    seq: int
    tick: int


class Journal:
    """What can be asked of the journal of one `Database`, from any thread."""

    def __init__(self, database: Database, write: Write) -> None:
        self._database = database
        self._write = write

    def notify(self, audience: str, signal: str, data: str) -> None:
        """Send an audience something that is not a move of a job; `data` is JSON."""

        def run(connection: apsw.Connection, now: float) -> None:
            rows_of(connection, "add_notice", audience=audience, signal=signal, data=data, now=now)
            rows_of(connection, "drop_notices", before=now - _NOTICE_SECONDS)

        self._write(run)

    def history(self, id_: str, queue: str | None = None) -> list[Transition]:
        """Every transition of a job, in order. Raises JobNotFound."""
        with here.inside, self._database.reading() as reader:
            rows = rows_of(reader, "history", id=id_)
        moves = self._transitions(rows)
        if not moves or (queue is not None and moves[0].queue != queue):
            raise errors.JobNotFound(id_, queue)
        return moves

    def news(self, after: int, tick: int, count: int) -> News:
        """What happened after `after`: the next `count` transitions, and all progress stored
        since `tick`, of one instant."""
        with here.inside, self._database.snapshot() as reader:
            rows = rows_of(reader, "transitions", after=after, count=count)
            reports = rows_of(reader, "progress_since", after=after, tick=tick)
        return News(self._transitions(rows), list(map(reported_of, reports)))

    def news_of(self, audiences: Sequence[str], after: int, tick: int, count: int) -> News:
        """Like `news`, of only the jobs of these audiences."""
        if not audiences:
            return News([], [])
        wanted = apsw.carray(tuple(audiences))
        with here.inside, self._database.snapshot() as reader:
            head = _head(reader)
            if head.seq - after <= count and head.tick - tick <= count:
                # No more than `count` is new for all audiences together. One audience may have a
                # million jobs of which none has moved since.
                rows = rows_of(reader, "transitions", after=after, count=count)
                reports = rows_of(reader, "progress_since", after=0, tick=tick)
            else:
                rows = rows_of(
                    reader, "transitions_of_audiences", after=after, count=count, audiences=wanted
                )
                reports = rows_of(
                    reader, "progress_of_audiences_since", tick=tick, audiences=wanted
                )
        return News(
            [move for move in self._transitions(rows) if move.audience in audiences],
            [report for report in map(reported_of, reports) if report.audience in audiences],
        )

    def head(self) -> Head:
        """The newest seq and progress tick; 0 if there is none."""
        with here.inside, self._database.reading() as reader:
            return _head(reader)

    def notices(self, after: int, count: int) -> list[Notice]:
        """The next `count` notices after `after`."""
        with here.inside, self._database.reading() as reader:
            return [Notice(*row) for row in rows_of(reader, "notices", after=after, count=count)]

    def last_notice(self) -> int:
        """The id of the newest notice there ever was; 0 if there was none."""
        with here.inside, self._database.reading() as reader:
            return int(value_of(reader, "last_notice"))

    def _transitions(self, rows: Sequence[Row]) -> list[Transition]:
        return [transition_of(row, self._database.path) for row in rows]


def _head(reader: apsw.Connection) -> Head:
    (row,) = rows_of(reader, "head")
    return Head._make(row)
