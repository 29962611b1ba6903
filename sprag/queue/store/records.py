"""Rows of the file made into the records that the queue hands out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from .. import errors
from ..job import Job, JobError, Page, Progress, Reported, Transition
from ..states import TERMINAL, Event, Status
from .rows import Row, shown


class JobRow(NamedTuple):
    """The columns of the statements `job` and `jobs`."""

    key: int
    id: str
    queue: str
    status: Status
    item: str
    created_at: float
    due_at: float
    result: str | None
    error: str | None
    attempt: int
    max_attempts: int
    crashes: int
    priority: int
    label: str | None
    started_at: float | None
    moved_at: float
    current: float | None
    total: float | None
    percent: float | None
    message: str | None
    reported: int | None
    audience: str | None
    starts: int
    unique_key: str | None
    unique_for: str | None
    unique_until: float | None
    time_limit: float | None
    overdue: int
    task: str | None


class _MoveRow(NamedTuple):
    """The columns of the statements `history`, `transitions` and `transitions_of_audiences`. The
    first has only those without a default."""

    seq: int
    id: str
    queue: str
    event: Event
    from_status: Status | None
    to_status: Status
    attempt: int
    owner: int | None
    at: float
    due_at: float | None
    error: str | None
    current: float | None = None
    total: float | None = None
    percent: float | None = None
    message: str | None = None
    reported: int | None = None
    audience: str | None = None
    task: str | None = None


class _ProgressRow(NamedTuple):
    """The columns of the statements `progress_since` and `progress_of_audiences_since`."""

    tick: int
    seq: int
    id: str
    queue: str
    status: Status
    attempt: int
    current: float | None
    total: float | None
    percent: float | None
    message: str | None
    audience: str | None
    task: str | None


def job_of(it: JobRow, path: str) -> Job:
    """The job of a row of the file at `path`. Raises DatabaseCorrupt if that cannot be one."""
    _check(
        path,
        texts=(it.id, it.queue, it.status, it.item),
        others=(it.result, it.error, it.label, it.audience, it.unique_key, it.unique_for, it.task),
        numbers=(
            it.created_at,
            it.due_at,
            it.attempt,
            it.max_attempts,
            it.crashes,
            it.priority,
            it.starts,
        ),
    )
    return Job(
        id=it.id,
        queue=it.queue,
        status=it.status,
        item_json=it.item,
        created_at=it.created_at,
        due_at=it.due_at,
        result_json=it.result,
        error=JobError.from_json(it.error),
        progress=_progress_of(it),
        attempt=it.attempt,
        max_attempts=it.max_attempts,
        crashes=it.crashes,
        priority=it.priority,
        label=it.label,
        started_at=it.started_at,
        finished_at=it.moved_at if it.status in TERMINAL else None,
        audience=it.audience,
        starts=it.starts,
        unique=it.unique_key,
        unique_for=it.unique_for,
        unique_until=it.unique_until,
        time_limit=it.time_limit,
        overdue=bool(it.overdue),
        task=it.task,
    )


def found(row: Row | UnicodeError | None, id_: str, queue: str | None, path: str) -> Job:
    """The job that was asked for. Raises JobNotFound if there is none, or if it belongs to another
    queue than `queue`, and DatabaseCorrupt if it cannot be read."""
    if isinstance(row, UnicodeError):
        raise damaged(path)
    if row is None:
        raise errors.JobNotFound(id_, queue)
    job = job_of(JobRow._make(row), path)
    if queue is not None and job.queue != queue:
        raise errors.JobNotFound(id_, queue)
    return job


def page_of(rows: Sequence[JobRow], count: int, path: str) -> Page:
    """A page of the first `count` rows. If there are more, `next` says where to go on."""
    jobs = tuple(job_of(row, path) for row in rows[:count])
    more = len(rows) > count
    return Page(jobs, str(rows[count - 1].key) if more else None)


def transition_of(row: Row, path: str) -> Transition:
    """The move of a row of the file at `path`. Raises DatabaseCorrupt if that cannot be one."""
    it = _MoveRow(*shown(row))
    _check(
        path,
        texts=(it.id, it.queue, it.event, it.to_status),
        others=(it.from_status, it.error),
        numbers=(it.attempt, it.at),
    )
    return Transition(
        it.seq, it.id, it.queue, it.event, it.from_status, it.to_status, it.attempt, it.owner,
        it.at, it.due_at, JobError.from_json(it.error), _progress_of(it), it.audience, it.task,
    )  # fmt: skip


def reported_of(row: Row) -> Reported:
    """The progress of a row."""
    it = _ProgressRow._make(shown(row))
    said = Progress(it.current, it.total, it.percent, it.message)
    return Reported(
        it.tick, it.seq, it.id, it.queue, it.status, it.attempt, said, it.audience, it.task
    )


def damaged(path: str) -> errors.DatabaseCorrupt:
    """The error for a row that cannot be what it should be."""
    return errors.DatabaseCorrupt(
        f"{path} is damaged (a row that is none): run `sprag check`, and restore a backup", path
    )


def _progress_of(row: JobRow | _MoveRow) -> Progress | None:
    if row.reported is None:
        return None
    return Progress(row.current, row.total, row.percent, row.message)


def _check(path: str, texts: Iterable[Any], others: Iterable[Any], numbers: Iterable[Any]) -> None:
    """Raise DatabaseCorrupt for values that the schema refuses: the file is damaged."""
    if not (
        all(type(value) is str for value in texts)
        and all(value is None or type(value) is str for value in others)
        and all(isinstance(value, int | float) for value in numbers)
    ):
        raise damaged(path)
