"""What must hold in every file, and what does not in this one."""

from __future__ import annotations

from contextlib import closing
from typing import NamedTuple

import apsw

from ..file.database import Database
from ..file.identity import blank
from ..states import MOVES, Event, Status
from ..threads.inside import here
from .rows import each_of, rows_of


class Stray(NamedTuple):
    """A job that is not the fold of its transitions. `last_status` and `last_event` are those of
    its newest transition, None if it has none."""

    id: str
    status: Status
    event: Event
    last_status: Status | None
    last_event: Event | None


class BrokenChain(NamedTuple):
    """A transition that does not begin where the job's previous one ended."""

    seq: int
    id: str | None
    from_status: Status | None
    previous: Status | None


class Misfold(NamedTuple):
    """A job whose counts, owner or error are not what its transitions add up to; `seq` is the
    newest of these."""

    id: str
    seq: int


class LooseLink(NamedTuple):
    """A transition that does not lead to the job's previous one, or that its job does not lead
    to though it is the newest."""

    seq: int
    id: str


class IllegalMove(NamedTuple):
    """A kind of transition that no job can make; `seq` is the first one. `event` and `to_status`
    are None if the table of moves has no such move at all."""

    event: Event | None
    from_status: Status | None
    to_status: Status | None
    seq: int


class Rule(NamedTuple):
    """A row of the table of moves: what is added to each count, and whether they begin anew."""

    id: int
    event: Event
    source: Status | None
    target: Status
    starts: int
    attempts: int
    crashes: int
    afresh: int


class ChangedRule(NamedTuple):
    """A row of the table of moves that is not the one of the format. None: there is no such row."""

    found: Rule | None
    expected: Rule | None


class Misfit(NamedTuple):
    """A transition whose attempt, owner or error do not follow from those before."""

    seq: int
    id: str


class UntimelyProgress(NamedTuple):
    """Progress that belongs to no job (`id` is None), or does not fit the job's history."""

    id: str | None
    key: int


class Audit:
    """Looks for damage in one `Database`. `count` is how many of a kind are returned."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def integrity(self) -> list[str]:
        """What SQLite finds wrong with the file, in at most 100 lines; [] if nothing is."""
        lines: list[str] = []
        with here.inside, self._database.reading() as reader:
            try:
                for (text,) in each_of(reader, "integrity"):
                    lines += str(text).removeprefix("*** in database main ***\n").split("\n")
            except apsw.CorruptError:
                # It returns what it has found, and then fails nevertheless.
                if not lines:
                    raise
        return [] if lines == ["ok"] else lines

    def damage(self) -> str | None:
        """What SQLite finds wrong with the file's pages, if anything; rows are not looked at."""
        with here.inside, self._database.reading() as reader:
            try:
                ((text,),) = rows_of(reader, "structure")
            except apsw.CorruptError as error:
                return str(error)
        head, _, rest = str(text).partition("\n")
        return rest.partition("\n")[0] or head if head.startswith("***") else None

    def strays(self, count: int) -> list[Stray]:
        """Jobs that are not the fold of their transitions."""
        with here.inside, self._database.reading() as reader:
            return [Stray._make(row) for row in rows_of(reader, "strays", count=count)]

    def broken_chains(self, count: int) -> list[BrokenChain]:
        """Transitions that begin elsewhere than where the job was."""
        with here.inside, self._database.reading() as reader:
            return [BrokenChain._make(row) for row in rows_of(reader, "broken_chains", count=count)]

    def loose_links(self, count: int) -> list[LooseLink]:
        """Transitions that are not in the chain of their job."""
        with here.inside, self._database.reading() as reader:
            return [LooseLink._make(row) for row in rows_of(reader, "loose_links", count=count)]

    def misfolds(self, count: int) -> list[Misfold]:
        """Jobs whose counts, owner or error are not what their transitions add up to."""
        with here.inside, self._database.reading() as reader:
            return [Misfold._make(row) for row in rows_of(reader, "misfolds", count=count)]

    def illegal_moves(self) -> list[IllegalMove]:
        """Transitions that no job can make, one of each kind."""
        legal = {(move.event, move.source, move.target) for move in MOVES}
        with here.inside, self._database.reading() as reader:
            kinds = [IllegalMove._make(row) for row in rows_of(reader, "kinds_of_moves")]
        return [it for it in kinds if (it.event, it.from_status, it.to_status) not in legal]

    def changed_rules(self) -> list[ChangedRule]:
        """Where the table of moves is not the one that the format has."""
        with here.inside, self._database.reading() as reader, closing(blank()) as new:
            found, expected = _rules(reader), _rules(new)
        return [
            ChangedRule(found.get(id_), expected.get(id_))
            for id_ in sorted({**found, **expected})
            if found.get(id_) != expected.get(id_)
        ]

    def misfits(self, count: int) -> list[Misfit]:
        """Transitions whose attempt, owner or error do not follow from those before."""
        with here.inside, self._database.reading() as reader:
            return [Misfit._make(row) for row in rows_of(reader, "misfits", count=count)]

    def untimely_progress(self, count: int) -> list[UntimelyProgress]:
        """Progress that belongs to no job, or does not fit its history."""
        with here.inside, self._database.reading() as reader:
            rows = rows_of(reader, "untimely_progress", count=count)
            return [UntimelyProgress._make(row) for row in rows]

    def orphans(self, count: int) -> list[int]:
        """The seq of transitions of no job."""
        with here.inside, self._database.reading() as reader:
            return [seq for (seq,) in rows_of(reader, "orphans", count=count)]

    def missing(self) -> int | None:
        """How many transitions are gone that were not pruned; negative if there are too many,
        None if nobody counted those that were pruned."""
        with here.inside, self._database.reading() as reader:
            ((newest, present, pruned, oldest),) = rows_of(reader, "gaps")
            if pruned is None:
                return None
            return int(newest - present - pruned) or int(min(oldest - 1, 0))


def _rules(connection: apsw.Connection) -> dict[int, Rule]:
    return {row[0]: Rule._make(row) for row in rows_of(connection, "rules")}
