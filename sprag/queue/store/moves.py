"""The moves of jobs in SQL. Each function is part of a transaction that its caller has begun, and
`now` is its time."""

from __future__ import annotations

import json
import operator
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Final, NamedTuple

import apsw

from .. import errors
from ..file.meaning import ENVIRONMENT
from ..states import Status
from .rows import Row, changed_by, row_of, rows_of, run, savepoint, value_of
from .tickets import Enqueue, Options, Outcome, Report, Run

_NO_TASK: Final = "[null]"
_to_json: Final = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


class Cancelled(NamedTuple):
    """What a cancellation has moved; `owner` is None unless the job is running."""

    key: int
    starts: int
    status: Status
    owner: int | None


# ---------------------------------------------------------------- by callers


def accept(connection: apsw.Connection, now: float, enqueues: Sequence[Enqueue]) -> None:
    """Insert new jobs, those with the same options in one statement."""
    groups: dict[Options, tuple[list[str], list[str]]] = {}
    for ticket in enqueues:
        ticket.at = now
        if ticket.options.max_queued is None:
            ids, items = groups.setdefault(ticket.options, ([], []))
            ids.extend(ticket.ids)
            items.extend(ticket.items)
            continue
        # Set either way: this may be the second attempt at a batch.
        ticket.error = overflow(connection, ticket.options, len(ticket.ids))
        if ticket.error is None:
            # At once, so that the next one's count includes it.
            insert(connection, now, ticket.options, ticket.ids, ticket.items)
    for options, (ids, items) in groups.items():
        insert(connection, now, options, ids, items)


def insert(
    connection: apsw.Connection,
    now: float,
    options: Options,
    ids: Sequence[str],
    items: Sequence[str],
) -> None:
    """Insert new jobs. Outside of a transaction, this is one."""
    due_at = options.due_at
    waiting = due_at is not None and due_at > now
    key, until = options.unique_key, options.unique_seconds
    asked = (
        options.queue, options.task, options.priority, options.max_attempts, options.max_crashes,
        options.backoff, options.label, options.audience, options.time_limit, key,
        None if key is None else options.unique_for,
        None if key is None or until is None else now + until,
        int(waiting), due_at if waiting else now, now,
    )  # fmt: skip
    if len(ids) == 1:
        run(connection, "enqueue", ids[0], items[0], *asked)
    else:
        rows = apsw.carray(tuple(map(operator.add, ids, items)))
        run(connection, "enqueue_many", rows, *asked)


def overflow(
    connection: apsw.Connection, options: Options, offered: int
) -> errors.QueueFull | None:
    """The error to raise if so many new jobs are too many for the queue."""
    most = options.max_queued
    if most is None:
        return None
    queued = value_of(connection, "queued", queue=options.queue, most=most)
    return errors.QueueFull(options.queue, offered, most) if queued + offered > most else None


class Accepted(NamedTuple):
    """The row of a job, and whether it was there before."""

    row: Row | None
    existing: bool


def accept_each(
    connection: apsw.Connection,
    now: float,
    options: Options,
    ids: Sequence[str],
    items: Sequence[str],
    keys: Sequence[str | None],
) -> list[Accepted] | errors.QueueFull:
    """Insert jobs, each with a unique key or None, unless one has the id or holds the key: then
    that one is found. All or none; a job that exists needs no room."""
    count = len(ids)
    try:
        with savepoint(connection) if count > 1 else nullcontext():
            return [
                _accept_once(connection, now, options._replace(unique_key=key), id_, item, count)
                for id_, item, key in zip(ids, items, keys, strict=True)
            ]
    except errors.QueueFull as full:
        return full


def _accept_once(
    connection: apsw.Connection, now: float, options: Options, id_: str, item: str, offered: int
) -> Accepted:
    there = row_of(connection, "job", id=id_)
    if there is None and options.unique_key is not None:
        held = {"queue": options.queue, "unique_key": options.unique_key}
        changed_by(connection, "let_go", now=now, **held)
        there = row_of(connection, "holder", **held)
    if there is not None:
        return Accepted(there, existing=True)
    full = overflow(connection, options, 1)
    if full is not None:
        raise errors.QueueFull(options.queue, offered, full.limit)
    insert(connection, now, options, [id_], [item])
    return Accepted(row_of(connection, "job", id=id_), existing=False)


def cancel(
    connection: apsw.Connection, now: float, id_: str, queue: str | None = None
) -> Cancelled | None:
    """Cancel a queued job, or ask a running one to give way; what was moved, if anything."""
    row = row_of(connection, "cancel", id=id_, queue=queue, now=now)
    return None if row is None else Cancelled._make(row)


def requeue(connection: apsw.Connection, now: float, id_: str, queue: str | None = None) -> bool:
    """Queue a failed or cancelled job again; False if it is in another state."""
    return row_of(connection, "requeue", id=id_, queue=queue, now=now) is not None


def run_now(connection: apsw.Connection, now: float, id_: str, queue: str | None = None) -> bool:
    """Let a waiting job be claimed before it is due; False if it does not wait."""
    return row_of(connection, "run_now", id=id_, queue=queue, now=now) is not None


def promote(connection: apsw.Connection, now: float, queue: str) -> int:
    """Let waiting jobs whose time has come be claimed; how many were, at most 1,000."""
    return changed_by(connection, "promote", queue=queue, now=now)


def job_row(connection: apsw.Connection, id_: str) -> Row | UnicodeError | None:
    """The job as it is inside of this transaction. What another program has made of its texts
    must not undo the move: then the error to refuse the row with, after the commit."""
    try:
        return row_of(connection, "job", id=id_)
    except UnicodeError as error:
        return error


# ---------------------------------------------------------------- by workers


class Unclaimable(Exception):
    """Some job of a queue cannot be started, and for no reason of the disk's."""

    def __init__(self, queue: str) -> None:
        super().__init__(queue)
        self.queue = queue


def claim(
    connection: apsw.Connection,
    now: float,
    queue: str,
    count: int,
    owner: int,
    tasks: str | None = None,
) -> list[Run]:
    """Start the next jobs of a queue, at most `count`: those of `tasks`, or those that belong to no
    task. Raises Unclaimable."""
    try:
        if tasks is None:
            rows = rows_of(connection, "claim", queue=queue, count=count, owner=owner, now=now)
        else:
            rows = rows_of(
                connection, "claim_tasks", queue=queue, tasks=tasks, count=count, owner=owner,
                now=now,
            )  # fmt: skip
    except ENVIRONMENT:
        raise
    except (apsw.Error, UnicodeError) as error:
        raise Unclaimable(queue) from error
    return list(map(Run._make, rows))


def claimable(
    connection: apsw.Connection, queue: str, count: int, tasks: str | None = None
) -> list[int]:
    """The keys of the jobs that `claim` would start next, at most `count`."""
    rows = rows_of(connection, "claimable", queue=queue, count=count, tasks=tasks or _NO_TASK)
    return [key for (key,) in rows]


def start(connection: apsw.Connection, now: float, key: int, owner: int) -> Run | None:
    """Start one job; None if it is not queued."""
    row = row_of(connection, "start", key=key, owner=owner, now=now)
    return None if row is None else Run._make(row)


def finish(connection: apsw.Connection, now: float, owner: int, outcomes: Sequence[Outcome]) -> int:
    """Store what became of runs; how many outcomes were accepted."""
    reports = [outcome.report for outcome in outcomes if outcome.report is not None]
    if reports:
        report(connection, owner, reports)
    rows = [
        (run.key, run.starts, event, result, error and error.to_json(), due_at)
        for run, event, result, error, due_at, _report in outcomes
    ]
    return changed_by(connection, "finish", outcomes=_to_json(rows), owner=owner, now=now)


def report(connection: apsw.Connection, owner: int, reports: Sequence[Report]) -> None:
    """Store progress of running jobs."""
    changed_by(connection, "next_tick", count=len(reports))
    changed_by(connection, "report", reports=_to_json(reports), owner=owner)


def overdue(connection: apsw.Connection, owner: int, runs: Sequence[tuple[int, int]]) -> None:
    """Take note that these runs (key, starts) go on past their time limits."""
    changed_by(connection, "overdue", owner=owner, runs=_to_json(runs))


def give_back(
    connection: apsw.Connection, now: float, owner: int, kept: Sequence[tuple[int, int]]
) -> list[str]:
    """Release the jobs of an owner, except for the runs (key, starts) in `kept`; their ids."""
    rows = rows_of(connection, "give_back", owner=owner, now=now, kept=_to_json(kept))
    return [id_ for (id_,) in rows]
