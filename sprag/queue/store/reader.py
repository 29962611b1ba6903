"""Reads of the journal and the jobs. Each returns records of one instant.

This is half of the journal; it needs none of the writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import apsw

from .. import errors
from ..file.database import Database
from ..job import Job, JobError, Notice, Page, Progress, Reported, Transition
from ..sql.statements import STATEMENTS
from ..states import MOVES, STATUSES, TERMINAL, Status
from ..threads.inside import here

Row = tuple[Any, ...]

_LATEST: Final = (1 << 63) - 1


class Reader:
    """What can be asked of one `Database`, from any thread."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def job(self, id_: str, queue: str | None = None) -> Job:
        """One job. Raises JobNotFound, also if it belongs to another queue."""
        with here.inside, self.database.reading() as reader:
            row = row_of(reader, "job", id=id_)
        return self._found(row, id_, queue)

    def ended(self, ids: Sequence[str]) -> list[str]:
        """The ids of those jobs that have ended or do not exist."""
        with here.inside, self.database.reading() as reader:
            rows = rows_of(reader, "going", ids=apsw.carray(tuple(ids)))
        going = {id_ for (id_,) in rows}
        return [id_ for id_ in ids if id_ not in going]

    def page(
        self,
        queues: Sequence[str],
        statuses: Sequence[Status],
        count: int,
        before: int | None = None,
    ) -> Page:
        """The `count` newest jobs of these queues (none given: of all) and statuses."""
        rows: list[Row] = []
        with here.inside, self.database.snapshot() as reader:
            for queue in queues or queue_names(reader):
                for status in statuses:
                    rows += rows_of(
                        reader, "page", queue=queue, status=status, count=count + 1,
                        before=before if before is not None else _LATEST,
                    )  # fmt: skip
        rows.sort(key=lambda row: -int(row[0]))
        return self._page(rows, count)

    def page_of(self, audience: str, queue: str, count: int, before: int | None = None) -> Page:
        """Like `page`, of one queue's jobs that are for `audience`, in all states."""
        with here.inside, self.database.snapshot() as reader:
            rows = rows_of(
                reader, "page_of_audience", audience=audience, queue=queue, count=count + 1,
                before=before if before is not None else _LATEST,
            )  # fmt: skip
        return self._page(rows, count)

    def ids(self, prefix: str, count: int) -> list[str]:
        """The first `count` ids that begin with `prefix`, some hexadecimal digits."""
        with here.inside, self.database.reading() as reader:
            return [id_ for (id_,) in rows_of(reader, "ids", prefix=prefix, count=count)]

    def history(self, id_: str, queue: str | None = None) -> list[Transition]:
        """Every transition of a job, in order. Raises JobNotFound."""
        with here.inside, self.database.reading() as reader:
            rows = rows_of(reader, "history", id=id_)
        if not rows or (queue is not None and rows[0][2] != queue):
            raise errors.JobNotFound(id_, queue)
        return list(map(self._transition, rows))

    def news(self, after: int, tick: int, count: int) -> tuple[list[Transition], list[Reported]]:
        """What happened after `after`: the next `count` transitions, and all progress stored
        since `tick`, of one instant."""
        with here.inside, self.database.snapshot() as reader:
            rows = rows_of(reader, "transitions", after=after, count=count)
            reports = rows_of(reader, "progress_since", after=after, tick=tick)
        return list(map(self._transition, rows)), list(map(_reported, reports))

    def news_of(
        self, audiences: Sequence[str], after: int, tick: int, count: int
    ) -> tuple[list[Transition], list[Reported]]:
        """Like `news`, of only the jobs of these audiences."""
        if not audiences:
            return [], []
        wanted = apsw.carray(tuple(audiences))
        with here.inside, self.database.snapshot() as reader:
            ((seq, latest),) = rows_of(reader, "head")
            if seq - after <= count and latest - tick <= count:
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
        return (
            [move for move in map(self._transition, rows) if move.audience in audiences],
            [report for report in map(_reported, reports) if report.audience in audiences],
        )

    def head(self) -> tuple[int, int]:
        """The newest seq and progress tick; 0 if there is none."""
        with here.inside, self.database.reading() as reader:
            ((seq, tick),) = rows_of(reader, "head")
            return seq, tick

    def notices(self, after: int, count: int) -> list[Notice]:
        """The next `count` notices after `after`."""
        with here.inside, self.database.reading() as reader:
            return [Notice(*row) for row in rows_of(reader, "notices", after=after, count=count)]

    def last_notice(self) -> int:
        """The id of the newest notice there ever was; 0 if there was none."""
        with here.inside, self.database.reading() as reader:
            ((id_,),) = rows_of(reader, "last_notice")
            return int(id_)

    def queues(self) -> list[str]:
        """The names of all queues that have a job."""
        with here.inside, self.database.reading() as reader:
            return queue_names(reader)

    def waiting(self, queue: str, most: int) -> int:
        """How many jobs of the queue are queued, counted up to `most`."""
        with here.inside, self.database.reading() as reader:
            ((count,),) = rows_of(reader, "queued", queue=queue, most=most)
            return int(count)

    def counts(self, queue: str | None = None) -> dict[str, dict[Status, int]]:
        """Jobs by queue and status, all six of them, of one queue or of all that have jobs."""
        found: dict[str, dict[Status, int]] = {}
        with here.inside, self.database.snapshot() as reader:
            for name in queue_names(reader) if queue is None else [queue]:
                found[name] = dict.fromkeys(STATUSES, 0)
                found[name].update(rows_of(reader, "counts", queue=name))
        return found

    def next_ready(self, queue: str) -> float | None:
        """Since when the job that starts next could have; None if none is ready."""
        with here.inside, self.database.reading() as reader:
            row = row_of(reader, "next_ready", queue=queue)
            return None if row is None else float(row[0])

    def next_due(self, queue: str) -> float | None:
        """When the next waiting job is due, in unix seconds; None if none waits."""
        with here.inside, self.database.reading() as reader:
            ((due_at,),) = rows_of(reader, "next_due", queue=queue)
            return None if due_at is None else float(due_at)

    def owners(self) -> list[tuple[int, str, int, str, float, str]]:
        """(id, token, pid, host, started_at, workers) of every process that is known to run jobs;
        `workers` is a JSON object: how many it has for each queue."""
        with here.inside, self.database.reading() as reader:
            return rows_of(reader, "owners")

    def cancelling(self, owner: int) -> list[tuple[int, int]]:
        """(key, starts) of the owner's runs that were asked to cancel."""
        with here.inside, self.database.reading() as reader:
            return rows_of(reader, "cancelling", owner=owner)

    def held(self) -> dict[int, int]:
        """How many jobs each owner runs, for those that run any."""
        with here.inside, self.database.reading() as reader:
            return dict(rows_of(reader, "held"))

    # ------------------------------------------------------------ records

    def _page(self, rows: Sequence[Row], count: int) -> Page:
        """A page of the first `count` rows. If there are more, `next` says where to go on."""
        shown = rows[:count]
        more = len(rows) > count
        return Page(tuple(map(self._job, shown)), str(shown[-1][0]) if more else None)

    def _found(self, row: Row | None, id_: str, queue: str | None) -> Job:
        if row is None or (queue is not None and row[2] != queue):
            raise errors.JobNotFound(id_, queue)
        return self._job(row)

    def _job(self, row: Row) -> Job:
        self._check(row, texts=(1, 2, 3, 4), others=(7, 8, 13, 21), numbers=(5, 6, 9, 10, 11, 12))
        status: Status = row[3]
        return Job(
            id=row[1],
            queue=row[2],
            status=status,
            item_json=row[4],
            created_at=row[5],
            due_at=row[6],
            result_json=row[7],
            error=JobError.from_json(row[8]),
            attempt=row[9],
            max_attempts=row[10],
            crashes=row[11],
            priority=row[12],
            label=row[13],
            started_at=row[14],
            finished_at=row[15] if status in TERMINAL else None,
            progress=Progress(*row[16:20]) if row[20] is not None else None,
            audience=row[21],
        )

    def _transition(self, row: Row) -> Transition:
        row = shown(row)
        self._check(row, texts=(1, 2, 3, 5), others=(4, 10), numbers=(6, 8))
        seq, id_, queue, event, source, target, attempt, owner, at, due_at, error, *said = row
        progress = Progress(*said[:4]) if said and said[4] is not None else None
        return Transition(
            seq, id_, queue, event, source, target, attempt, owner, at, due_at,
            JobError.from_json(error), progress, said[5] if said else None,
        )  # fmt: skip

    def _check(
        self, row: Row, texts: Sequence[int], others: Sequence[int], numbers: Sequence[int]
    ) -> None:
        """Raise DatabaseCorrupt for values that the schema refuses: the file is damaged."""
        if not (
            all(type(row[n]) is str for n in texts)
            and all(row[n] is None or type(row[n]) is str for n in others)
            and all(isinstance(row[n], int | float) for n in numbers)
        ):
            raise errors.DatabaseCorrupt(
                f"{self.database.path} is damaged (a row that is none): run `sprag check`, and "
                "restore a backup",
                self.database.path,
            )

    # ------------------------------------------------------------ what must hold

    def integrity(self) -> list[str]:
        """What SQLite finds wrong with the file, in at most 100 lines; [] if nothing is."""
        lines: list[str] = []
        with here.inside, self.database.reading() as reader:
            try:
                for (text,) in reader.execute(STATEMENTS["integrity"]):
                    lines += str(text).removeprefix("*** in database main ***\n").split("\n")
            except apsw.CorruptError:
                # It returns what it has found, and then fails nevertheless.
                if not lines:
                    raise
        return [] if lines == ["ok"] else lines

    def damage(self) -> str | None:
        """What SQLite finds wrong with the file's pages, if anything; rows are not looked at."""
        with here.inside, self.database.reading() as reader:
            try:
                ((text,),) = rows_of(reader, "structure")
            except apsw.CorruptError as error:
                return str(error)
        head, _, rest = str(text).partition("\n")
        return rest.partition("\n")[0] or head if head.startswith("***") else None

    def strays(self, count: int) -> list[Row]:
        """(id, status, event, status and event of its newest transition) of jobs that are not
        the fold of their transitions."""
        with here.inside, self.database.reading() as reader:
            return rows_of(reader, "strays", count=count)

    def broken_chains(self, count: int) -> list[Row]:
        """(seq, id, from_status, where the job was) of transitions that begin elsewhere."""
        with here.inside, self.database.reading() as reader:
            return rows_of(reader, "broken_chains", count=count)

    def misfolds(self, count: int) -> list[Row]:
        """(id, newest seq) of jobs whose counts, owner or error are not what their transitions
        add up to."""
        with here.inside, self.database.reading() as reader:
            return rows_of(reader, "misfolds", count=count)

    def illegal_moves(self) -> list[Row]:
        """(event, from, to, seq of the first one) of transitions that no job can make."""
        legal = {(move.event, move.source, move.target) for move in MOVES}
        with here.inside, self.database.reading() as reader:
            rows = rows_of(reader, "kinds_of_moves")
        return [row for row in rows if row[:3] not in legal]

    def misfits(self, count: int) -> list[Row]:
        """(seq, id) of transitions whose attempt, owner or error do not follow from those
        before."""
        with here.inside, self.database.reading() as reader:
            return rows_of(reader, "misfits", count=count)

    def untimely_progress(self, count: int) -> list[Row]:
        """(id or None, key) of progress that belongs to no job, or does not fit its history."""
        with here.inside, self.database.reading() as reader:
            return rows_of(reader, "untimely_progress", count=count)

    def orphans(self, count: int) -> list[int]:
        """The seq of transitions of no job."""
        with here.inside, self.database.reading() as reader:
            return [seq for (seq,) in rows_of(reader, "orphans", count=count)]

    def missing(self) -> int | None:
        """How many transitions are gone that were not pruned; negative if there are too many,
        None if nobody counted those that were pruned."""
        with here.inside, self.database.reading() as reader:
            ((newest, present, pruned, oldest),) = rows_of(reader, "gaps")
            if pruned is None:
                return None
            return int(newest - present - pruned) or int(min(oldest - 1, 0))

    def unowned(self, count: int) -> list[Row]:
        """(id, owner) of running jobs whose owner is not known."""
        with here.inside, self.database.reading() as reader:
            return rows_of(reader, "unowned", count=count)


def rows_of(connection: apsw.Connection, name: str, **bindings: Any) -> list[Row]:
    """All rows of a named statement."""
    rows: list[Any] = connection.execute(STATEMENTS[name], bindings).fetchall()
    return rows


def row_of(connection: apsw.Connection, name: str, **bindings: Any) -> Row | None:
    """The first row of a named statement, None if it has none."""
    rows = rows_of(connection, name, **bindings)
    return rows[0] if rows else None


def shown(row: Row) -> Row:
    """A row whose texts came as bytes; bytes that are not UTF-8 become U+FFFD."""
    return tuple(cell.decode(errors="replace") if isinstance(cell, bytes) else cell for cell in row)


def _reported(row: Row) -> Reported:
    tick, seq, id_, queue, status, attempt, *said, audience = shown(row)
    return Reported(tick, seq, id_, queue, status, attempt, Progress(*said), audience)


def queue_names(connection: apsw.Connection) -> list[str]:
    """The names of all queues that have a job."""
    return [name for (name,) in rows_of(connection, "queues")]
