"""A queue as its author declares it: its options, and the handler with what that may call."""

from __future__ import annotations

import typing
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Generic, Never, Self, overload

from . import definition, errors
from .backoff import Backoff
from .durations import Duration
from .file.checkpoints import Durability
from .job import Job, JobError
from .lifecycle import Lifecycle
from .options import OPTIONS, UNSET, Exceptions, Settings, settings_of, unknown
from .schedules import Schedule
from .signature.forms import form_of
from .signature.models import ANYTHING, Form
from .tasks import Repertoire, tasks_of
from .work.running import RunningJob, running_job

if TYPE_CHECKING:
    from typing_extensions import TypeVar  # every type checker has it

    Item = TypeVar("Item", default=Any)
    Result = TypeVar("Result", default=Any)
else:
    Item, Result = typing.TypeVar("Item"), typing.TypeVar("Result")

LIFE: Final = "_sprag_life"
"""The one attribute that holds everything a queue has. Authors will not use such a name."""


class _Inside:
    """The `Lifecycle` of a queue, made at its first use: a subclass with an `__init__` of its own,
    as dataclasses have, need not call ours."""

    @overload
    def __get__(self, queue: None, kind: type) -> Self: ...

    @overload
    def __get__(self, queue: DeclaredQueue, kind: type) -> Lifecycle: ...

    def __get__(self, queue: DeclaredQueue | None, kind: type) -> Self | Lifecycle:
        if queue is None:
            return self
        placed = definition.says(queue, DeclaredQueue, "database")
        handles = type(queue).handle_item is not DeclaredQueue.handle_item
        runs = Repertoire(tasks_of(type(queue)), handles, *_forms_of(type(queue)))
        settings = settings_of(queue)
        runs.standing(settings)  # mistakes are reported now
        life = Lifecycle(settings, placed=placed, runs=runs)
        # One operation of a dict, so that two threads get the same object.
        made: Lifecycle = vars(queue).setdefault(LIFE, life)
        return made


def _forms_of(kind: type) -> tuple[Form, Form]:
    """The forms of a class's items and results, whose types `QueueService[Item, Result]` names."""
    for base in kind.__mro__:
        for stated in vars(base).get("__orig_bases__", ()):
            origin = typing.get_origin(stated)
            if getattr(origin, "__parameters__", ()) == (Item, Result):
                item, result = typing.get_args(stated)
                return form_of(item), form_of(result)
    return ANYTHING, ANYTHING


class DeclaredQueue(Generic[Item, Result]):
    """The part of a `QueueService` that its author fills in."""

    if not TYPE_CHECKING:  # a checker knows the defaults of the two, as Python does from 3.13 on

        def __class_getitem__(cls, types: Any) -> Any:
            given = types if isinstance(types, tuple) else (types,)
            if cls.__parameters__ == (Item, Result):
                given = (*given, Any)[:2] if len(given) == 1 else given
            return super().__class_getitem__(given)

    name: str = Settings.name
    """The queue's name. Several queues may share a file."""
    database: str | Path = Settings.database
    """The file. It is created if it is missing; a relative path is resolved at construction."""
    worker_count: int = Settings.worker_count
    """How many jobs run at once in this process, 1 to 1,000."""
    max_attempts: int = Settings.max_attempts
    """How many times a job is tried before it fails for good."""
    backoff: Backoff | Duration = Settings.backoff
    """How long to wait between attempts. A duration is the same wait each time."""
    retry_on: Exceptions | None = Settings.retry_on
    """Exception classes, as `except` takes them: only what they name is tried again, and any other
    error fails the job at once. None: every error is tried again."""
    fail_on: Exceptions = Settings.fail_on
    """Exception classes that fail the job at once, whatever `retry_on` says. Instances of
    subclasses count, too. An exception group fails the job if anything in it does, and is tried
    again if all of it is worth that."""
    time_limit: Duration | None = Settings.time_limit
    """How long an attempt may take, from its start: after that `check_cancelled()` raises
    JobTimeout, and the task of an `async` handler is cancelled. The attempt has failed then. A
    handler that ends nevertheless has completed. None: any time."""
    max_crashes: int = Settings.max_crashes
    """How many processes may die while they run a job before it fails, so that a job that kills
    its process does not come back forever."""
    max_queued: int | None = Settings.max_queued
    """How many jobs may wait. Beyond that, `enqueue` raises QueueFull. None: any number."""
    max_payload_bytes: int = Settings.max_payload_bytes
    """The most an item or a result may take as JSON, in bytes."""
    durability: Durability = Settings.durability
    """"full": an accepted job survives power loss. "normal": it survives kill -9 only; faster."""
    schedules: Sequence[Schedule] = Settings.schedules
    """What the queue enqueues by itself, and when: a list of `Cron` and `Every`. Each slot is
    enqueued once, whatever the number of processes that run the queue."""
    grace_seconds: Duration = Settings.grace_seconds
    """How long `stop()` lets running jobs continue before it puts them back in the queue."""
    busy_seconds: Duration = Settings.busy_seconds
    """How long a write waits for another process's lock before it raises DatabaseLocked. Within a
    process, the first queue that opens a file sets this for all queues of that file."""
    vfs: str | None = Settings.vfs
    """The SQLite VFS to open the file with. None: the system's."""
    open_flags: int = Settings.open_flags
    """Added to SQLite's open flags."""
    _sprag_life = _Inside()

    def __init__(
        self,
        *,
        name: str = UNSET,
        database: str | Path = UNSET,
        worker_count: int = UNSET,
        max_attempts: int = UNSET,
        backoff: Backoff | Duration = UNSET,
        retry_on: Exceptions | None = UNSET,
        fail_on: Exceptions = UNSET,
        time_limit: Duration | None = UNSET,
        max_crashes: int = UNSET,
        max_queued: int | None = UNSET,
        max_payload_bytes: int = UNSET,
        durability: Durability = UNSET,
        schedules: Sequence[Schedule] = UNSET,
        grace_seconds: Duration = UNSET,
        busy_seconds: Duration = UNSET,
        vfs: str | None = UNSET,
        open_flags: int = UNSET,
        **misspelt: Never,
    ) -> None:
        for option in misspelt:
            raise errors.ConfigurationError(
                unknown(f"{type(self).__name__}()", option, OPTIONS, definition.meant_by(option))
            )
        given = {
            "name": name, "database": database, "worker_count": worker_count,
            "max_attempts": max_attempts, "backoff": backoff, "retry_on": retry_on,
            "fail_on": fail_on, "time_limit": time_limit, "max_crashes": max_crashes,
            "max_queued": max_queued, "max_payload_bytes": max_payload_bytes,
            "durability": durability, "schedules": schedules, "grace_seconds": grace_seconds,
            "busy_seconds": busy_seconds, "vfs": vfs, "open_flags": open_flags,
        }  # fmt: skip
        for option, value in given.items():
            if value is not UNSET:
                setattr(self, option, value)
        _ = self._sprag_life  # made now, so that mistakes are reported here

    def handle_item(self, item: Item) -> Result | Coroutine[Any, Any, Result]:
        """Do the job. What it returns is the job's result; an exception fails the attempt.

        Define it in the subclass, plain or `async`. It may run more than once
        for the same job, after a crash or a retry.
        """
        raise NotImplementedError

    def on_failure(self, job: Job, error: JobError) -> Any:
        """Called once a job has failed for good; a subclass may define it, plain or `async`.

        The failure is stored by then, and `job` is the job as it was stored with it. The worker
        that ran the job makes the call, at most once: a crash right then loses it. If the process
        that ran the job died too often, the one that takes its jobs over makes it, provided that it
        runs this queue. What it raises is logged, and changes nothing.
        """

    @property
    def current_job(self) -> RunningJob:
        """The running job's handle. Take it in `handle_item` to pass it to other threads."""
        return running_job()

    def report_progress(
        self,
        current: float | None = None,
        total: float | None = None,
        percent: float | None = None,
        message: str | None = None,
    ) -> None:
        """Report how far the running job has got; see `RunningJob.report_progress`."""
        running_job().report_progress(current, total, percent, message)

    def check_cancelled(self) -> None:
        """Raise JobCancelled if someone asked to cancel the running job, JobTimeout if its time
        limit is over."""
        running_job().check_cancelled()
