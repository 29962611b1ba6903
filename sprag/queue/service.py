"""`QueueService`: what an application subclasses, enqueues into and operates.

class ThumbnailQueue(QueueService):
    name = "thumbnails"

    def handle_item(self, item):
        return make_thumbnail(item["path"])

with ThumbnailQueue(database="jobs.db") as queue:
    job = queue.enqueue({"path": "a.jpg"})
    print(queue.wait(job.id).result)
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Never, Self, Unpack, overload

from . import checks, definition, durations, enqueuing, errors, waiting
from .backoff import Backoff
from .durations import Duration
from .file.checkpoints import Durability
from .ids import new_ids
from .job import Job, JobError, Page, Transition
from .lifecycle import Lifecycle
from .options import OPTIONS, UNSET, Exceptions, JobOptions, Settings, settings_of, unknown
from .states import STATUSES, Status
from .store.backup import backup
from .threads.inside import here
from .watch.subscription import Callback, Subscription
from .work.running import RunningJob, running_job

# One attribute holds everything that a queue has. Authors will not use such a name.
_LIFE: Final = "_QueueService__life"


class _Inside:
    """The `Lifecycle` of a queue, made at its first use: a subclass with an `__init__` of its own,
    as dataclasses have, need not call ours."""

    @overload
    def __get__(self, queue: None, kind: type) -> Self: ...

    @overload
    def __get__(self, queue: QueueService, kind: type) -> Lifecycle: ...

    def __get__(self, queue: QueueService | None, kind: type) -> Self | Lifecycle:
        if queue is None:
            return self
        placed = definition.says(queue, QueueService, "database")
        handles = type(queue).handle_item is not QueueService.handle_item
        life = Lifecycle(settings_of(queue), placed=placed, handles=handles)
        # One operation of a dict, so that two threads get the same object.
        made: Lifecycle = vars(queue).setdefault(_LIFE, life)
        return made


class QueueService:
    """A durable queue and the workers that run its jobs.

    Subclasses set `name` and define `handle_item`, plain or `async`. Each
    attribute below is also an argument of the constructor. Nothing is opened
    before the first use; `start()`, or `with queue:`, runs jobs. Without
    `handle_item` a queue can do everything except run jobs:
    `QueueService(name="thumbnails")` enqueues for other processes.

    All other names are free for a subclass, which need not call
    `super().__init__()`.
    """

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
    grace_seconds: Duration = Settings.grace_seconds
    """How long `stop()` lets running jobs continue before it puts them back in the queue."""
    busy_seconds: Duration = Settings.busy_seconds
    """How long a write waits for another process's lock before it raises DatabaseLocked. Within a
    process, the first queue that opens a file sets this for all queues of that file."""
    vfs: str | None = Settings.vfs
    """The SQLite VFS to open the file with. None: the system's."""
    open_flags: int = Settings.open_flags
    """Added to SQLite's open flags."""

    __life = _Inside()

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
            "durability": durability, "grace_seconds": grace_seconds,
            "busy_seconds": busy_seconds, "vfs": vfs, "open_flags": open_flags,
        }  # fmt: skip
        for option, value in given.items():
            if value is not UNSET:
                setattr(self, option, value)
        _ = self.__life  # made now, so that mistakes are reported here

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        definition.check(cls, QueueService)

    if not TYPE_CHECKING:  # with it, a type checker would allow any attribute to be assigned

        def __setattr__(self, name: str, value: object) -> None:
            if name in OPTIONS or name in _RESERVED:
                self.__assign(name, value)
            super().__setattr__(name, value)

    def __assign(self, name: str, value: object) -> None:
        """Use an option that was assigned, or refuse the attribute."""
        kind = _RESERVED.get(name)
        if kind is not None:
            if not callable(value):
                raise definition.refusal(type(self), name, kind, value)
        elif _LIFE in vars(self):
            self.__life.change(type(self).__name__, name, value)

    def __reduce__(self) -> Never:
        raise TypeError(
            f"a {type(self).__name__} cannot be copied or pickled: it holds threads and an open "
            "file of this process. Make another one with the same arguments where it is needed"
        )

    # ------------------------------------------------------------ for the subclass

    def handle_item(self, item: Any) -> Any:
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

    # ------------------------------------------------------------ jobs

    def enqueue(
        self, item: Any, *, job_id: str | None = None, **options: Unpack[JobOptions]
    ) -> Job:
        """Accept a job. When this returns, the job is stored and will run.

        `delay` (a duration: 90, "5m" or a timedelta) or `run_at` (an aware
        datetime or unix seconds) holds it back. Jobs with a higher `priority`
        start first. `max_attempts`, `backoff`, `time_limit` and `max_crashes`
        replace the queue's own. With a `unique` key, the job that holds the key is
        returned if there is one; it holds it until it has ended, or as
        `unique_for` says. `label` names the job for people; `audience` says who may
        see it. With a `job_id` from `new_job_id()` it is safe to repeat a call
        whose outcome is unknown: if the job exists with the same item, it is
        returned as it is.

        Blocks until the job is committed: up to `busy_seconds` while another
        process holds the file's lock. In an event loop, use `aenqueue`.

        Raises PayloadError, PayloadTooLarge, QueueFull, JobExists,
        ConfigurationError for a bad option, or a DatabaseError.
        """
        return enqueuing.enqueue(self.__life, item, job_id, options)

    def enqueue_many(self, items: Iterable[Any], **options: Unpack[JobOptions]) -> list[Job]:
        """Like `enqueue`, but for all of `items` in one commit: all are stored, or none.

        A PayloadError's path includes the place of the item: `items[3]["size"]`.
        """
        return enqueuing.enqueue_many(self.__life, items, options)

    def get(self, job_id: str) -> Job:
        """The job as it is now. Raises JobNotFound."""
        life = self.__life
        return life.open().store.jobs.get(checks.job_id(job_id), life.settings.name)

    def jobs(
        self,
        status: Status | Iterable[Status] | None = None,
        *,
        limit: int = 50,
        after: str | None = None,
        audience: str | None = None,
    ) -> Page:
        """One page of the queue's jobs, newest first, with one status, several, or any.

        To continue where a page ended, pass its `next` as `after`. With `audience`,
        only jobs that were enqueued for it, in any state.
        """
        life = self.__life
        name = life.settings.name
        statuses = checks.statuses(status)
        checks.whole("limit", limit, 1, 10_000)
        if audience is not None:
            if status is not None:
                raise errors.ConfigurationError("jobs: expected status or audience=, got both")
            mine = checks.audience(audience) or ""
            return life.open().store.jobs.page_of(mine, name, limit, checks.cursor(after))
        return life.open().store.jobs.page([name], statuses, limit, checks.cursor(after))

    def history(self, job_id: str) -> list[Transition]:
        """Every move of the job, in order, with each attempt's error. Raises JobNotFound."""
        life = self.__life
        return life.open().store.journal.history(checks.job_id(job_id), life.settings.name)

    def wait(self, job_id: str, timeout: Duration | None = None) -> Job:
        """Wait until the job is completed, failed or cancelled, in any process, and return it.

        Blocks the calling thread; in an event loop, use `await_job`. Raises
        WaitTimeout after `timeout`, JobNotFound, and QueueClosed if this queue is
        stopped meanwhile.
        """
        return waiting.wait(self.__life, job_id, timeout)

    def cancel(self, job_id: str) -> Job:
        """Cancel a queued job at once, or ask a running one to stop: its `check_cancelled()` raises
        from now on. A job that has ended stays as it is. Returns the job as it is afterwards."""
        life = self.__life
        return life.open().cancel(checks.job_id(job_id), life.settings.name)

    def requeue(self, job_id: str) -> Job:
        """Run a failed or cancelled job again, with fresh attempts; its history stays.

        Raises JobNotFound, or IllegalMove for a job in another state.
        """
        life = self.__life
        return life.open().store.requeue(checks.job_id(job_id), life.settings.name)

    def counts(self) -> dict[Status, int]:
        """How many jobs the queue has in each of the six states."""
        life = self.__life
        name = life.settings.name
        return life.open().store.jobs.counts(name).get(name, dict.fromkeys(STATUSES, 0))

    def subscribe(self, callback: Callback, after: int | None = None) -> Subscription:
        """Call `callback(signal)` for each move and for progress of this queue's jobs.

        Signals come after COMMIT, in order, without gaps, for the moves of all
        processes, in a thread of the subscription. `after` is the `seq` to resume
        from: 0 for the whole journal, None for new signals only. A signal is a dict with
        `signal` ("sprag:queue.job.changed"), `job_id`, `queue`, `status`,
        `event` (a move's, or "progress"), `seq`, `attempt`, `at`, `progress`,
        `audience`, `tick` (of stored progress).
        """
        if not callable(callback):
            raise errors.ConfigurationError(
                f"callback: expected a callable, got {errors.shown(callback)}"
            )
        if after is not None:
            checks.whole("after", after, 0, 2**63 - 1)
        return self.__life.subscribe(callback, after)

    def prune(self, *, older_than: Duration | None = None, keep: int | None = None) -> int:
        """Delete finished jobs and their history: those that ended more than `older_than` ago
        ("7d"), and all except the `keep` newest. Returns how many were deleted.

        Each limit that is given applies. The newest job of the file and the one that moved last
        always stay.
        """
        if older_than is None and keep is None:
            raise errors.ConfigurationError("prune: expected older_than=, keep= or both")
        age = None if older_than is None else durations.seconds("older_than", older_than)
        if keep is not None:
            checks.whole("keep", keep, 0, 2**62)
        life = self.__life
        store = life.open().store
        before = None if age is None else store.clock() - age
        return store.pruning.prune(life.settings.name, before, keep)

    def backup(self, path: str | Path) -> None:
        """Write a consistent copy of the whole file to the new file `path` while work goes on.

        Jobs that are running are queued in the copy. A damaged file is not copied: DatabaseCorrupt.
        Never copy an open file by other means within this process: closing the copy's handle would
        drop SQLite's locks.
        """
        checks.file_path("backup", path)
        engine = self.__life.open()
        with here.inside:
            backup(engine.database, str(Path(path).absolute()))

    # ------------------------------------------------------------ the same for event loops

    # Each makes the plain call, also if a subclass overrides it, in a thread of the queue. If the
    # task is cancelled meanwhile, a call that has begun goes on to its end.

    async def aenqueue(
        self, item: Any, *, job_id: str | None = None, **options: Unpack[JobOptions]
    ) -> Job:
        """Like `enqueue`, but awaitable: it does not block asyncio's event loop.

        The item must not change until it returns. If the task is cancelled or
        timed out meanwhile, the job may be stored nevertheless: with a `job_id`
        the call can be repeated safely.
        """
        call = functools.partial(self.enqueue, item, job_id=job_id, **options)
        made: Job = await _for_loops().calls_of(self.__life).write(call)
        return made

    async def aenqueue_many(self, items: Iterable[Any], **options: Unpack[JobOptions]) -> list[Job]:
        """Like `enqueue_many`, but awaitable. `items` is read in another thread."""
        call = functools.partial(self.enqueue_many, items, **options)
        made: list[Job] = await _for_loops().calls_of(self.__life).write(call)
        return made

    async def aget(self, job_id: str) -> Job:
        """Like `get`, but awaitable."""
        job: Job = await _for_loops().calls_of(self.__life).read(self.get, job_id)
        return job

    async def acancel(self, job_id: str) -> Job:
        """Like `cancel`, but awaitable."""
        job: Job = await _for_loops().calls_of(self.__life).write(self.cancel, job_id)
        return job

    async def await_job(self, job_id: str, timeout: Duration | None = None) -> Job:
        """Like `wait`, but awaitable: thousands of tasks may wait, and none of them holds a thread.

        If the task is cancelled, the job goes on.
        """
        job: Job = await _for_loops().wait(self.__life, job_id, timeout)
        return job

    # ------------------------------------------------------------ start and stop

    def place(self, database: str | Path) -> None:
        """Use the file `database`, unless the class or the constructor has already named one.

        Raises ConfigurationError once the file is open.
        """
        checks.file_path(f"{type(self).__name__}.database", database)
        self.__life.place(database)

    @property
    def path(self) -> str:
        """The absolute path of the file."""
        return self.__life.path

    def start(self) -> Self:
        """Open the file, recover the jobs of dead processes and start the workers.

        In one process, one class runs a queue's jobs: a different one is refused
        with ConfigurationError. If a class is defined again (a notebook's cell, a
        reloaded module), the queue of its earlier definition is stopped first.
        """
        if type(self).handle_item is QueueService.handle_item:
            raise errors.ConfigurationError(
                f"{type(self).__name__} has no handle_item(self, item), so it cannot run jobs"
            )
        hook = self.on_failure if definition.says(self, QueueService, "on_failure") else None
        self.__life.start(self, hook)
        return self

    def stop(self, grace: Duration | None = None) -> None:
        """Start no more jobs, give running ones `grace` (default: `grace_seconds`) to end, put the
        rest back in the queue without costing them an attempt, and close the file.

        Blocks until then. A Ctrl-C meanwhile, or a `stop` from another thread, ends a longer grace;
        Ctrl-C is raised once the file is closed. Raises StopInsideHandler in a handler of this
        queue. It is fine to stop twice.
        """
        life = self.__life
        life.stop(
            life.settings.grace_seconds if grace is None else durations.seconds("grace", grace)
        )

    def __enter__(self) -> Self:
        life = self.__life
        ran = life.pool is not None
        try:
            self.start()
            life.sigterm.mind()
        except BaseException:
            if life.pool is not None and not ran:
                self.__exit__(None, None, None)  # Python does that only for a block
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.stop()
        finally:
            self.__life.sigterm.forget()


def _for_loops() -> Any:
    """The module `asynchronous`. Code that awaits has loaded asyncio; other code does without."""
    return importlib.import_module(".asynchronous", __package__)


_RESERVED: Final = definition.reserved(QueueService)


def life_of(queue: QueueService) -> Lifecycle:
    """The inside of a queue, for this package's own parts, tools and tests."""
    life: Lifecycle = getattr(queue, _LIFE)
    return life


def new_job_id() -> str:
    """Return a new job id, for an `enqueue` that may have to be repeated."""
    return new_ids(1)[0]
