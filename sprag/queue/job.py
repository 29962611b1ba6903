"""What the queue says about jobs: frozen records, read from the file at one instant."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from .payload.codec import decode
from .states import TERMINAL, Event, Status


@dataclass(frozen=True, slots=True)
class JobError:
    """Why an attempt failed: the exception's type name, message and traceback text."""

    type: str
    message: str
    traceback: str = ""

    def to_json(self) -> str:
        return json.dumps(
            {"type": self.type, "message": self.message, "traceback": self.traceback},
            ensure_ascii=False,
        )

    @classmethod
    def from_json(cls, text: str | None) -> JobError | None:
        if text is None:
            return None
        try:
            said = json.loads(text)
        except (ValueError, RecursionError):  # JSON for SQLite, but too deep or too long a number
            said = text
        if not isinstance(said, dict):  # another program's words
            return cls("", str(said))
        return cls(*(str(said.get(key, "")) for key in ("type", "message", "traceback")))


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a handler has got, as it said; what it left out is None. `percent` is 0 to 100."""

    current: float | None = None
    total: float | None = None
    percent: float | None = None
    message: str | None = None

    def to_dict(self) -> dict[str, float | str | None]:
        return {
            "current": self.current,
            "total": self.total,
            "percent": self.percent,
            "message": self.message,
        }


def attempts_of(attempt: int, max_attempts: int) -> tuple[int, int]:
    """Which attempt a job is at, and of how many. A crash may give it one more than its queue
    allows."""
    return attempt, max(attempt, max_attempts)


class Job(NamedTuple):
    """One job as the file held it when it was read. Times are unix seconds.

    `status` is what the journal says: a job whose process died is still
    "running" or "cancelling" until a process that runs jobs takes it over,
    within moments if there is one. `attempt` is the number of attempts that
    count against `max_attempts`, `starts` the number of all there ever were, and
    `crashes` the number of processes that died while they ran the job. `error`
    is that of the latest failure, until the job moves on (`history()` has them
    all). `unique` is the unique key that the job holds, and `unique_for`
    ("queued" or "unfinished") or `unique_until` says until when. `existing` is
    True if `enqueue` has found the job instead of making it. `audience` says who
    may see the job, for code that asks. `task` is the name of the task that it
    belongs to, None for `handle_item`; its item then has the arguments by name.
    `item_json` and `result_json` are the stored texts; `item` and `result` decode
    them at each access. `time_limit` is the job's own, in seconds; None stands for
    the queue's. `overdue` is True for a job that goes on past its limit.
    """

    id: str
    queue: str
    status: Status
    item_json: str
    created_at: float
    due_at: float
    result_json: str | None = None
    error: JobError | None = None
    progress: Progress | None = None
    attempt: int = 0
    max_attempts: int = 1
    crashes: int = 0
    priority: int = 0
    label: str | None = None
    started_at: float | None = None
    finished_at: float | None = None
    audience: str | None = None
    starts: int = 0
    unique: str | None = None
    unique_for: str | None = None
    unique_until: float | None = None
    existing: bool = False
    time_limit: float | None = None
    overdue: bool = False
    task: str | None = None

    @property
    def item(self) -> Any:
        """What was enqueued. Raises PayloadError if it cannot be decoded here."""
        return decode(self.item_json)

    @property
    def result(self) -> Any:
        """What the handler returned; None until the job is completed."""
        return None if self.result_json is None else decode(self.result_json)

    @property
    def finished(self) -> bool:
        """True if the job has ended: it is completed, failed or cancelled."""
        return self.status in TERMINAL

    @property
    def cancel_requested(self) -> bool:
        """True if someone asked to cancel it: it may still be running, or it has stopped."""
        return self.status in ("cancelling", "cancelled")


@dataclass(frozen=True, slots=True)
class Transition:
    """One row of the journal: what moved a job, from which state to which.

    `seq` grows by one with every transition of the file. `attempt` is the one
    that the event belongs to, and `owner` the process that ran it, if any. Only
    subscribers get `audience`, `task` and `progress`, the latest of the current run.
    """

    seq: int
    job_id: str
    queue: str
    event: Event
    from_status: Status | None
    to_status: Status
    attempt: int
    owner: int | None
    at: float
    due_at: float | None
    error: JobError | None
    progress: Progress | None = None
    audience: str | None = None
    task: str | None = None


@dataclass(frozen=True, slots=True)
class Reported:
    """Progress as it was stored. `tick` counts what was stored, `seq` is the newest transition
    before it, and `status` and `attempt` are those of that moment."""

    tick: int
    seq: int
    job_id: str
    queue: str
    status: Status
    attempt: int
    progress: Progress
    audience: str | None = None
    task: str | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that an audience gets to know and that is not a move of a job. `data` is JSON."""

    id: int
    audience: str
    signal: str
    data: str


@dataclass(frozen=True, slots=True)
class Page:
    """Some jobs, newest first. `next` is the cursor of the page after it, None on the last."""

    jobs: tuple[Job, ...]
    next: str | None

    def __iter__(self) -> Iterator[Job]:
        return iter(self.jobs)

    def __len__(self) -> int:
        return len(self.jobs)
