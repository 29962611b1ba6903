"""The processes that are known to a file, and the jobs they have. A process that runs jobs is
their owner."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import apsw

from .. import errors
from ..file.database import Database
from ..file.meaning import ENVIRONMENT
from ..job import JobError
from ..states import Event
from ..threads.inside import here
from ..threads.logs import Log
from . import moves
from .rows import Row, changed_by, rows_of, savepoint, value_of
from .tickets import Write

log: Final = Log("sprag.queue")


class Owner(NamedTuple):
    """A process that is known to run jobs. `workers` is how many it has for each queue, `tasks` are
    those that it knows of queues that have any, with None for jobs that belong to none."""

    id: int
    token: str
    pid: int
    host: str
    started_at: float
    workers: dict[str, int]
    tasks: dict[str, list[str | None]]


class _OwnerRow(NamedTuple):
    """The columns of the statement `owners`."""

    id: int
    token: str
    pid: int
    host: str
    started_at: float
    workers: str
    tasks: str


class Recovered(NamedTuple):
    """A job that was taken from a dead process; `event` is the move that it made."""

    id: str
    queue: str
    event: Event


class Fence(NamedTuple):
    """What tells one run of a job from its other ones."""

    key: int
    starts: int


class Unowned(NamedTuple):
    """A running job whose owner is not known."""

    id: str
    owner: int


class Owners:
    """Reads and writes of the owners of one `Database`. `on_commit(ids)` is called with the ids of
    jobs that came to an end."""

    def __init__(
        self, database: Database, write: Write, on_commit: Callable[[Sequence[str]], None]
    ) -> None:
        self._database = database
        self._write = write
        self._on_commit = on_commit

    # ------------------------------------------------------------ reads

    def all(self) -> list[Owner]:
        """Every process that is known to run jobs."""
        with here.inside, self._database.reading() as reader:
            rows = rows_of(reader, "owners")
        owners = map(_OwnerRow._make, rows)
        return [
            Owner(*owner[:-2], json.loads(owner.workers), _lists(json.loads(owner.tasks)))
            for owner in owners
        ]

    def cancelling(self, owner: int) -> list[Fence]:
        """The owner's runs that were asked to cancel."""
        with here.inside, self._database.reading() as reader:
            return [Fence._make(row) for row in rows_of(reader, "cancelling", owner=owner)]

    def held(self) -> dict[int, int]:
        """How many jobs each owner runs, for those that run any."""
        with here.inside, self._database.reading() as reader:
            return dict(rows_of(reader, "held"))

    def unowned(self, count: int) -> list[Unowned]:
        """Running jobs whose owner is not known, at most `count`."""
        with here.inside, self._database.reading() as reader:
            return [Unowned._make(row) for row in rows_of(reader, "unowned", count=count)]

    # ------------------------------------------------------------ writes

    def add(self, token: str, pid: int, host: str) -> int:
        """Make an owner known; its id."""
        owner = self._write(
            lambda connection, now: value_of(
                connection, "add_owner", token=token, pid=pid, host=host, now=now
            )
        )
        if owner is None:
            path = self._database.path
            raise errors.DatabaseRefused(f"{path} takes no owner: a trigger is in the way", path)
        return int(owner)

    def employ(
        self, owner: int, workers: Mapping[str, int], tasks: Mapping[str, Sequence[str | None]]
    ) -> None:
        """Make known how many workers an owner has for each queue, and which tasks it knows."""
        texts = {"workers": json.dumps(workers), "tasks": json.dumps(tasks)}
        self._write(lambda connection, _: changed_by(connection, "employ", owner=owner, **texts))

    def recover(self, owner: int) -> list[Recovered]:
        """Take all jobs from a dead owner, and forget it for good."""

        def run(connection: apsw.Connection, now: float) -> list[Recovered]:
            moved = _recover(connection, now, owner)
            rows_of(connection, "remove_owner", owner=owner)
            return moved

        # The owner's lock file is removed next: without it a row that came back would be one of
        # which nobody could tell whether it is dead.
        moved = self._write(run, lasting=True)
        self._on_commit([job.id for job in moved if job.event != "recover"])
        return moved

    def leave(self, owner: int) -> list[str]:
        """The last act of an owner: release what it has, and be forgotten for good; the ids of the
        jobs."""

        def run(connection: apsw.Connection, now: float) -> list[str]:
            released = moves.give_back(connection, now, owner, [])
            rows_of(connection, "remove_owner", owner=owner)
            return released

        return self._write(run, lasting=True)  # as in `recover`


def _lists(tasks: dict[str, Any]) -> dict[str, list[str | None]]:
    """What is a list of names; another program may have written anything."""
    return {queue: names for queue, names in tasks.items() if isinstance(names, list)}


def _recover(connection: apsw.Connection, now: float, owner: int) -> list[Recovered]:
    message = "the process running this job died %d times; max_crashes is %d"
    error = JobError("ProcessDied", message).to_json()
    bindings: dict[str, Any] = {"owner": owner, "now": now, "error": error}
    try:
        with savepoint(connection):
            rows = rows_of(connection, "recover", key=None, **bindings)
    except ENVIRONMENT:
        raise
    except (apsw.Error, UnicodeError):
        rows = _recover_singly(connection, bindings)
    return [Recovered._make(row) for row in rows]


def _recover_singly(connection: apsw.Connection, bindings: dict[str, Any]) -> list[Row]:
    """Recover what can be; a job that another program has spoilt stays, without an owner."""
    moved: list[Row] = []
    for (key,) in rows_of(connection, "held_by", owner=bindings["owner"]):
        try:
            with savepoint(connection):
                moved += rows_of(connection, "recover", key=key, **bindings)
        except ENVIRONMENT:
            raise
        except (apsw.Error, UnicodeError) as error:
            log.error("the job with the key %d cannot be recovered and is left as it is (`sprag "
                      "check` may say more): %s", key, error)  # fmt: skip
    return moved
