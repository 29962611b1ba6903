"""The schedules of a file: which slot of each was the last, and what a slot enqueues."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import apsw

from ..file.database import Database
from ..file.meaning import ENVIRONMENT
from ..threads.inside import here
from ..threads.logs import Log
from . import moves
from .pauses import Pause, pause_of
from .rows import changed_by, row_of, rows_of, savepoint, shown
from .tickets import Options, Write

log: Final = Log("sprag.queue")

# A last slot that is ahead by more is that of a clock which was wrong.
_AHEAD_SECONDS: Final = 86400.0

_KEPT: Final = frozenset(Options._fields) - {
    "queue", "audience", "due_at", "max_queued", "unique_key", "unique_for", "unique_seconds",
}  # fmt: skip


class Standing(NamedTuple):
    """A schedule as a process has it. `options` are those of its jobs, as `options_text` makes
    them."""

    name: str
    definition: str
    item: str
    options: str


class Scheduled(NamedTuple):
    """A schedule as the file has it. `owner` is the process whose definition it is, `alive` whether
    the file knows that process still. `last_job` is the id of the last slot's job."""

    queue: str
    name: str
    definition: str
    item: str
    options: str
    owner: int
    alive: bool
    last_slot: float
    last_job: str | None
    pause: Pause | None


class Due(NamedTuple):
    """A slot whose time has come. `id` is that of the job to enqueue; None skips the slot."""

    name: str
    definition: str
    slot: float
    id: str | None


def options_text(options: Options) -> str:
    """Those options of a schedule's jobs that are not the usual ones, as JSON."""
    usual = Options(options.queue)
    given = options._asdict().items()
    return json.dumps({n: v for n, v in given if n in _KEPT and v != getattr(usual, n)})


class Schedules:
    """Reads and writes of the schedules of one `Database`."""

    def __init__(self, database: Database, write: Write) -> None:
        self._database = database
        self._write = write

    def all(self, queue: str | None = None) -> list[Scheduled]:
        """The schedules of a queue, or of all, by queue and name."""
        with here.inside, self._database.reading() as reader:
            rows = rows_of(reader, "schedules", queue=queue)
        return [_scheduled(*shown(row)) for row in rows]

    def settle(
        self, queue: str, owner: int, standing: Sequence[Standing], *, starting: bool,
        still: Callable[[], bool],
    ) -> None:  # fmt: skip
        """Let the file know what a process has, if it has it `still`. One that starts redefines
        schedules that others have otherwise; from then on it takes over, and removes, those whose
        process is gone."""

        def run(connection: apsw.Connection, now: float) -> None:
            for one in standing if still() else ():
                changed_by(
                    connection, "settle", queue=queue, owner=owner, schedule=one.name,
                    definition=one.definition, item=one.item, options=one.options,
                    starting=int(starting), now=now, ahead=now + _AHEAD_SECONDS,
                )  # fmt: skip
            if standing and still():
                names = json.dumps([one.name for one in standing])
                changed_by(connection, "unsettle", queue=queue, names=names)

        self._write(run)

    def leave(self, queue: str, owner: int) -> None:
        """Let the file know that a process no longer has the schedules of a queue."""
        self._write(
            lambda connection, _now: changed_by(
                connection, "leave_schedules", queue=queue, owner=owner
            )
        )

    def enqueue(self, queue: str, due: Sequence[Due], max_queued: int | None) -> list[str]:
        """Enqueue the jobs of slots, each unless that is done already; the names of those slots
        for which the queue had no room. Their time comes again."""

        def run(connection: apsw.Connection, now: float) -> list[str]:
            return [
                slot.name
                for slot in due
                if not _enqueue_or_say(connection, now, queue, slot, max_queued)
            ]

        return self._write(run)

    def run_now(self, queue: str, name: str, id_: str) -> bool:
        """Enqueue a job of a schedule, besides those of its slots; False if there is no such
        schedule."""

        def run(connection: apsw.Connection, now: float) -> bool:
            row = row_of(connection, "schedule_job", queue=queue, schedule=name)
            if row is not None:
                _insert(connection, now, queue, id_, *shown(row))
            return row is not None

        return self._write(run)

    def pause(self, queue: str, name: str, reason: str | None) -> bool:
        """Leave out the slots of a schedule from now on; False if there is no such schedule."""
        return self._write(
            lambda connection, now: (
                changed_by(
                    connection, "pause_schedule", queue=queue, schedule=name, reason=reason, now=now
                )
                > 0
            )
        )

    def resume(self, queue: str, name: str) -> bool:
        """Go on with a schedule, from now; False if it was not paused."""
        return self._write(
            lambda connection, now: (
                changed_by(connection, "resume_schedule", queue=queue, schedule=name, now=now) > 0
            )
        )

    def remove(self, queue: str, name: str) -> bool:
        """Forget a schedule whose process is gone; False if there is no such one."""
        return self._write(
            lambda connection, _now: (
                changed_by(connection, "remove_schedule", queue=queue, schedule=name) > 0
            )
        )


def _scheduled(*row: Any) -> Scheduled:
    queue, name, definition, item, options, owner, alive, slot, job, paused_at, reason = row
    pause = None if paused_at is None else pause_of(reason, paused_at)
    return Scheduled(queue, name, definition, item, options, owner, bool(alive), slot, job, pause)


def _enqueue_or_say(
    connection: apsw.Connection, now: float, queue: str, due: Due, max_queued: int | None
) -> bool:
    """Like `_enqueue`, but what another program has made of one schedule keeps no other."""
    try:
        with savepoint(connection):
            return _enqueue(connection, now, queue, due, max_queued)
    except ENVIRONMENT:
        raise
    except (apsw.Error, UnicodeError) as error:
        log.error("schedule %r of queue %r cannot enqueue its job, which is left out: %s",
                  due.name, queue, error)  # fmt: skip
        return _enqueue(connection, now, queue, due._replace(id=None), max_queued)


def _enqueue(
    connection: apsw.Connection, now: float, queue: str, due: Due, max_queued: int | None
) -> bool:
    """Enqueue the job of a slot unless it is done already; False if the queue has no room."""
    full = moves.overflow(connection, Options(queue, max_queued=max_queued), 1)
    if full is not None and due.id is not None:
        return False
    row = row_of(
        connection, "take_slot", queue=queue, schedule=due.name, definition=due.definition,
        slot=due.slot, job=due.id,
    )  # fmt: skip
    if row is not None and due.id is not None:
        _insert(connection, now, queue, due.id, *shown(row))
    return True


def _insert(
    connection: apsw.Connection, now: float, queue: str, id_: str, item: str, options: str
) -> None:
    moves.insert(connection, now, Options(queue, **_kept(options)), [id_], [item])


def _kept(options: str) -> dict[str, Any]:
    """What `options_text` made; nothing, if another program has written something else."""
    try:
        given = json.loads(options)
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        return {}
    return {name: value for name, value in given.items() if name in _KEPT}
