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

import atexit
import importlib
import inspect
import math
import os
import threading
import time
import weakref
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from . import checks, errors, interrupts
from .backoff import Backoff
from .backup import backup
from .checkpoints import Durability
from .codec import encode, same
from .engine import Engine
from .ids import is_job_id, new_ids
from .inside import here, refuse_reentry
from .job import Job, Page, Transition
from .logs import Log, settle
from .observer import CLOSE_SECONDS, Callback, Subscription
from .pool import WorkerPool
from .running import RunningJob, running_job
from .states import STATUSES, Status
from .tickets import Options

if TYPE_CHECKING:
    from .coroutines import HandlerLoop

log: Final = Log("sprag.queue")

MAX_WORKERS: Final = 1000
_PRIORITY: Final = 2**31

_services: Final[weakref.WeakSet[QueueService]] = weakref.WeakSet()
_started: Final[weakref.WeakSet[QueueService]] = weakref.WeakSet()


class QueueService:
    """A durable queue and the workers that run its jobs.

    Subclasses set `name` and define `handle_item`, plain or `async`. Every
    attribute below can be overridden by a constructor argument of its name.
    Nothing is opened before the first use; `start()`, or `with`, runs jobs.
    Without `handle_item` a queue can do all but run jobs:
    `QueueService(name="thumbnails")` enqueues for other processes.
    """

    name: str = ""
    """Which jobs are this queue's; several queues share a file."""
    database: str | Path = "sprag.db"
    """The file, created if need be; relative to the working directory at construction."""
    worker_count: int = 4
    """How many jobs run at once in this process, 1 to 1,000."""
    max_attempts: int = 1
    """How often a job may be tried before its exception is final."""
    backoff: Backoff | float = Backoff()
    """The wait between attempts; a number is that many seconds each time."""
    max_crashes: int = 3
    """A job under which this many processes died fails, so that it cannot kill for ever."""
    max_queued: int | None = None
    """How many jobs may wait; `enqueue` raises QueueFull above. None: no bound."""
    max_payload_bytes: int = 1024 * 1024
    """The most an item or a result may take as JSON, in bytes."""
    durability: Durability = "full"
    """"full": an acknowledged job survives power loss. "normal": only kill -9, but faster."""
    grace_seconds: float = 10.0
    """How long `stop()` lets running jobs go on before they are released."""
    busy_seconds: float = 10.0
    """How long a write waits for another process's lock before it raises DatabaseLocked. In a
    process, the first queue to open a file says it for all queues of that file."""
    vfs: str | None = None
    """The SQLite VFS to open the file with. None: the system's."""
    open_flags: int = 0
    """Added to SQLite's open flags."""

    _OPTIONS: ClassVar[tuple[str, ...]] = (
        "name", "database", "worker_count", "max_attempts", "backoff", "max_crashes",
        "max_queued", "max_payload_bytes", "durability", "grace_seconds", "busy_seconds", "vfs",
        "open_flags",
    )  # fmt: skip

    def __init__(self, **options: Any) -> None:
        for option, value in options.items():
            if option not in self._OPTIONS:
                raise errors.ConfigurationError(
                    f"{type(self).__name__}() has no option {option!r}; expected one of "
                    + ", ".join(self._OPTIONS)
                )
            setattr(self, option, value)
        self._check()
        self._path = str(Path(self.database).absolute())
        self._backoff = Backoff.of(self.backoff)
        # What an enqueue without options says, made once because most are like that.
        self._plain = Options(
            self.name,
            max_attempts=self.max_attempts,
            max_crashes=self.max_crashes,
            max_queued=self.max_queued,
        )
        self._engine: Engine | None = None
        self._pool: WorkerPool | None = None
        self._loop: HandlerLoop | None = None
        self._subscriptions: weakref.WeakSet[Subscription] = weakref.WeakSet()
        self._minds_sigterm = False
        self._make_locks()
        _services.add(self)

    # ------------------------------------------------------------ for the subclass

    def handle_item(self, item: Any) -> Any:
        """Do the job; what it returns is the job's result, what it raises its failure.

        Define it in the subclass, as a function or an `async` one. It may run
        more than once for one job, after a crash or a retry.
        """
        raise NotImplementedError

    @property
    def current_job(self) -> RunningJob:
        """The running job's handle, to be taken in `handle_item` and given to other threads."""
        return running_job()

    def report_progress(
        self,
        current: float | None = None,
        total: float | None = None,
        percent: float | None = None,
        message: str | None = None,
    ) -> None:
        """Say how far the running job is; see `RunningJob.report_progress`."""
        running_job().report_progress(current, total, percent, message)

    def check_cancelled(self) -> None:
        """Raise JobCancelled if someone asked to cancel the running job."""
        running_job().check_cancelled()

    # ------------------------------------------------------------ jobs

    def enqueue(
        self,
        item: Any,
        *,
        delay: float | timedelta | None = None,
        run_at: datetime | float | None = None,
        priority: int = 0,
        max_attempts: int | None = None,
        backoff: Backoff | float | None = None,
        max_crashes: int | None = None,
        label: str | None = None,
        audience: str | None = None,
        job_id: str | None = None,
    ) -> Job:
        """Accept a job. When this returns, the job is stored and will run.

        `delay` (seconds) or `run_at` (an aware datetime or unix seconds) hold
        it back; a higher `priority` starts first; `label` names it for people;
        `audience` says who may see it, for whoever asks (the web tier does).
        `job_id`, from `new_job_id()`, makes repeating a call safe whose fate is
        unknown: an existing job of the same item is returned as it is.

        Raises PayloadError, PayloadTooLarge, QueueFull, JobExists,
        ConfigurationError for a bad option, or a DatabaseError.
        """
        options = self._options(
            delay, run_at, priority, max_attempts, backoff, max_crashes, label, audience
        )
        text = encode(item, self.max_payload_bytes)
        if job_id is None:
            return self._enqueue(options, new_ids(1), [text])[0]
        if not is_job_id(job_id):
            raise errors.ConfigurationError(
                "job_id: expected 32 hexadecimal digits, as new_job_id() makes them, "
                f"got {errors.shown(job_id)}"
            )
        accepted: list[Job] = []
        full: errors.QueueFull | None = None
        try:
            accepted = self._enqueue(options, [job_id], [text])
        except errors.QueueFull as error:
            full = error
        try:
            job = self._open().journal.job(job_id)
        except errors.JobNotFound:
            if full is not None:  # or it was there already, and the repetition needed no room
                raise full from None
            return accepted[0]  # it has ended and was pruned since
        except errors.DatabaseError as error:
            # Its own words, such as "nothing was stored", are true of the reading alone.
            raise errors.WriteUnknown(
                f"whether job {job_id!r} was stored could not be read, repeating it with the same "
                f"job id is safe: {error}",
                error.path,
                (job_id,),
            ) from error
        if job.queue != self.name or not same(job.item_json, text):
            raise errors.JobExists(job_id, job.queue)
        return job

    def enqueue_many(
        self,
        items: Iterable[Any],
        *,
        delay: float | timedelta | None = None,
        run_at: datetime | float | None = None,
        priority: int = 0,
        max_attempts: int | None = None,
        backoff: Backoff | float | None = None,
        max_crashes: int | None = None,
        label: str | None = None,
        audience: str | None = None,
    ) -> list[Job]:
        """Like `enqueue`, but all of `items` in one commit, or none of them.

        In a PayloadError the item's place is part of the path: `items[3]["size"]`.
        """
        options = self._options(
            delay, run_at, priority, max_attempts, backoff, max_crashes, label, audience
        )
        limit = self.max_payload_bytes
        texts = [encode(item, limit, f"items[{n}]") for n, item in enumerate(items)]
        return self._enqueue(options, new_ids(len(texts)), texts)

    def get(self, job_id: str) -> Job:
        """The job as it is now. Raises JobNotFound."""
        return self._open().journal.job(checks.job_id(job_id), self.name)

    def jobs(
        self,
        status: Status | Iterable[Status] | None = None,
        *,
        limit: int = 50,
        after: str | None = None,
        audience: str | None = None,
    ) -> Page:
        """Some of the queue's jobs, newest first, of one status, several or all.

        `page.next` given as `after` continues where the page ended. With `audience`,
        those alone that were enqueued for it, and in all states.
        """
        statuses = checks.statuses(status)
        checks.whole("limit", limit, 1, 10_000)
        if audience is not None:
            if status is not None:
                raise errors.ConfigurationError("jobs: expected status or audience=, got both")
            mine = checks.audience(audience) or ""
            return self._open().journal.page_of(mine, self.name, limit, checks.cursor(after))
        return self._open().journal.page([self.name], statuses, limit, checks.cursor(after))

    def history(self, job_id: str) -> list[Transition]:
        """Every move of the job, in order, with each attempt's error. Raises JobNotFound."""
        return self._open().journal.history(checks.job_id(job_id), self.name)

    def wait(self, job_id: str, timeout: float | None = None) -> Job:
        """The job once it is completed, failed or cancelled, wherever it runs.

        Raises WaitTimeout after `timeout` seconds, JobNotFound, and QueueClosed
        when this queue is stopped meanwhile.
        """
        id_ = checks.job_id(job_id)
        if timeout is not None:
            checks.seconds("timeout", timeout)
        engine = self._open()
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        # Listening begins before the first look, so that no end falls in between.
        event = engine.observers.expect(id_)
        try:
            while True:
                event.clear()
                engine.observers.check_open()
                job = engine.journal.job(id_, self.name)
                if job.finished:
                    return job
                if self._engine is not engine:
                    raise errors.QueueClosed(f"queue {self.name!r} was stopped; {id_} goes on")
                engine.keep_watch()
                left = deadline - time.monotonic()
                if left <= 0:
                    raise errors.WaitTimeout(job_id, timeout or 0.0, job.status)
                interrupts.wait(event, left)
        finally:
            engine.observers.unexpect(id_, event)

    def cancel(self, job_id: str) -> Job:
        """Cancel a queued job at once; ask a running one, whose `check_cancelled()` raises from
        now on. A job that has ended stays as it is. The job as it is then."""
        engine = self._open()
        engine.cancel(checks.job_id(job_id), self.name)
        return engine.journal.job(job_id, self.name)

    def requeue(self, job_id: str) -> Job:
        """Run a failed or cancelled job again, with fresh attempts; its history stays.

        Raises JobNotFound, or IllegalMove for a job in another state.
        """
        journal = self._open().journal
        journal.requeue(checks.job_id(job_id), self.name)
        return journal.job(job_id, self.name)

    def counts(self) -> dict[Status, int]:
        """How many jobs the queue has in each of the six states."""
        found = self._open().journal.counts(self.name)
        return found.get(self.name, dict.fromkeys(STATUSES, 0))

    def subscribe(self, callback: Callback, after: int | None = None) -> Subscription:
        """Call `callback(signal)` for each move and for progress of this queue's jobs.

        After COMMIT, in order, none missed, other processes' moves too, in a
        thread of the subscription's own. `after` is the `seq` to resume from:
        0 is the whole journal, None only what comes. A signal is a dict with
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
        engine = self._open()
        with interrupts.shielded:
            subscription = engine.observers.subscribe(callback, self.name, after)
            self._subscriptions.add(subscription)
            engine.keep_watch()
        return subscription

    def prune(self, *, older_than: float | timedelta | None = None, keep: int | None = None) -> int:
        """Delete finished jobs, with their history, that ended more than `older_than` (seconds)
        ago, and all but the `keep` newest; how many were deleted.

        Each limit that is given applies. The newest job of the file stays, and so does the one that
        moved last.
        """
        if older_than is None and keep is None:
            raise errors.ConfigurationError("prune: expected older_than=, keep= or both")
        journal = self._open().journal
        before = None
        if older_than is not None:
            before = journal.clock() - checks.duration("older_than", older_than)
        if keep is not None:
            checks.whole("keep", keep, 0, 2**62)
        return journal.prune(self.name, before, keep)

    def backup(self, path: str | Path) -> None:
        """Write a copy of the whole file, as of one instant, to the new file `path`, while work
        goes on. Never copy the file by other means while it is open: closing the copy's handle
        drops SQLite's locks. Jobs that run now are queued in the copy. Of a damaged file there is
        none: DatabaseCorrupt."""
        checks.file_path("backup", path)
        engine = self._open()
        with here.inside:
            backup(engine.database, str(Path(path).absolute()))

    # ------------------------------------------------------------ start and stop

    def place(self, database: str | Path) -> None:
        """Use the file `database`, unless the class or its construction names one already.

        Raises ConfigurationError once the file is open.
        """
        checks.file_path(f"{type(self).__name__}.database", database)
        if "database" in vars(self) or type(self).database is not QueueService.database:
            return
        refuse_reentry()
        with here.inside, self._mutex:
            if self._engine is not None:
                raise errors.ConfigurationError(
                    f"queue {self.name!r} is open on {self._path} and cannot be placed in "
                    f"{database}"
                )
            self._path = str(Path(database).absolute())

    @property
    def path(self) -> str:
        """The absolute path of the file."""
        return self._path

    def start(self) -> Self:
        """Open the file, recover the jobs of dead processes and start the workers."""
        if type(self).handle_item is QueueService.handle_item:
            raise errors.ConfigurationError(
                f"{type(self).__name__} has no handle_item(self, item), so it cannot run jobs"
            )
        refuse_reentry()
        with here.inside, self._life, interrupts.shielded:
            engine = self._opened()
            if self._pool is None:
                handler = self.handle_item
                if inspect.iscoroutinefunction(handler):
                    self._loop = self._loop or _handler_loop()  # of a start that failed
                    handler = _on(self._loop, handler)
                engine.keep_watch()
                self._pool = WorkerPool(
                    engine, self.name, self.worker_count, handler, self._backoff,
                    self.max_payload_bytes,
                )  # fmt: skip
                _started.add(self)
        settle()
        return self

    def stop(self, grace: float | None = None) -> None:
        """Start no more jobs, give running ones `grace` seconds (default: `grace_seconds`),
        release what is left without costing an attempt, and close the file.

        A Ctrl-C meanwhile, or a `stop` from another thread, ends a longer grace; Ctrl-C is raised
        once the file is closed. Raises StopInsideHandler in a handler of this queue. Stopping
        twice is fine.
        """
        seconds = checks.seconds("grace", self.grace_seconds if grace is None else grace)
        pool = self._pool
        if pool is not None and pool.runs_here():
            raise errors.StopInsideHandler(
                f"stop() of queue {self.name!r} was called inside its own handler and would wait "
                "for it for ever; the queue goes on"
            )
        refuse_reentry()
        me = object()
        try:
            if pool is not None:
                pool.hurry(seconds, me)  # another thread may be about to stop it
            with here.inside, self._life, interrupts.shielded:
                self._stop(seconds)
        finally:
            if pool is not None:
                pool.forget(me)
        settle()

    def __enter__(self) -> Self:
        ran = self._pool is not None
        try:
            self.start()
            # SIGTERM would end the process without leaving the block. Where nobody handles it,
            # it becomes SystemExit, which does; Ctrl-C is KeyboardInterrupt, and does already.
            self._minds_sigterm = interrupts.mind_sigterm() or self._minds_sigterm
        except BaseException:
            if self._pool is not None and not ran:
                self.__exit__(None, None, None)  # Python does so for a block alone
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
            if self._minds_sigterm and interrupts.forget_sigterm():
                self._minds_sigterm = False

    # ------------------------------------------------------------ helpers

    def _stop(self, grace_seconds: float) -> None:
        engine = self._engine
        _started.discard(self)
        if engine is None:
            return
        try:
            if not engine.database.forked:
                _close(self._pool, self._loop, self._subscriptions, engine, grace_seconds)
        finally:
            # Not before: handlers in their grace and subscribers still use it, and must not have
            # to wait for this thread, which waits for them.
            self._engine = self._pool = self._loop = None
            if not engine.database.forked:
                # Others may keep the file open: whoever waits for a job here looks up.
                engine.observers.changed()

    def _hurry(self) -> None:
        """Let the grace end of a stop that is under way in another thread."""
        pool = self._pool
        if pool is not None:
            pool.hurry(0.0, None)

    def _make_locks(self) -> None:
        self._life = threading.RLock()
        """Held for the whole of a start or a stop."""
        self._mutex = threading.RLock()
        """Held while the file is opened."""

    def _open(self) -> Engine:
        """The open file, for a call from outside of the queue."""
        if here.is_inside():
            raise errors.ReentrantCall
        engine = self._engine
        if engine is None:
            return self._opened()
        engine.database.check_open()
        return engine

    def _opened(self) -> Engine:
        with here.inside, self._mutex, interrupts.shielded:
            engine = self._engine
            if engine is None:
                engine = self._engine = Engine.open(
                    self._path, self.durability, vfs=self.vfs, flags=self.open_flags,
                    busy_seconds=self.busy_seconds,
                )  # fmt: skip
        engine.database.check_open()
        return engine

    def _enqueue(self, options: Options, ids: Sequence[str], texts: Sequence[str]) -> list[Job]:
        engine = self._open()
        engine.accepts()
        now = engine.journal.enqueue(options, ids, texts)
        due_at = now if options.due_at is None else max(options.due_at, now)
        queue = self.name
        rest = (None, None, None, 0, options.max_attempts, 0, options.priority, options.label,
                None, None, options.audience)  # fmt: skip
        return [
            Job._make((id_, queue, "queued", text, now, due_at, *rest))
            for id_, text in zip(ids, texts, strict=True)
        ]

    def _options(
        self,
        delay: float | timedelta | None,
        run_at: datetime | float | None,
        priority: int,
        max_attempts: int | None,
        backoff: Backoff | float | None,
        max_crashes: int | None,
        label: str | None,
        audience: str | None,
    ) -> Options:
        if (
            delay is None
            and run_at is None
            and max_attempts is None
            and backoff is None
            and max_crashes is None
            and label is None
            and audience is None
            and type(priority) is int
            and not priority
        ):
            return self._plain
        checks.whole("priority", priority, -_PRIORITY, _PRIORITY)
        if max_attempts is not None:
            checks.whole("max_attempts", max_attempts, 1, 10**6)
        if max_crashes is not None:
            checks.whole("max_crashes", max_crashes, 1, 10**6)
        return Options(
            queue=self.name,
            priority=priority,
            max_attempts=max_attempts or self.max_attempts,
            max_crashes=max_crashes or self.max_crashes,
            backoff=None if backoff is None else Backoff.of(backoff).to_json(),
            label=checks.label_text(label),
            audience=checks.audience(audience),
            due_at=checks.due_time(delay, run_at),
            max_queued=self.max_queued,
        )

    def _check(self) -> None:
        """Refuse a description that cannot work, before anything is opened."""
        who = type(self).__name__
        checks.queue_name(who, self.name)
        checks.file_path(f"{who}.database", self.database)
        checks.whole(f"{who}.worker_count", self.worker_count, 1, MAX_WORKERS)
        checks.whole(f"{who}.max_attempts", self.max_attempts, 1, 10**6)
        checks.whole(f"{who}.max_crashes", self.max_crashes, 1, 10**6)
        checks.whole(f"{who}.max_payload_bytes", self.max_payload_bytes, 1, 500_000_000)
        if self.max_queued is not None:
            checks.whole(f"{who}.max_queued", self.max_queued, 1, 10**9)
        if self.durability not in ("full", "normal"):
            raise errors.ConfigurationError(
                f'{who}.durability: expected "full" or "normal", '
                f"got {errors.shown(self.durability)}"
            )
        checks.seconds(f"{who}.grace_seconds", self.grace_seconds)
        checks.seconds(f"{who}.busy_seconds", self.busy_seconds)
        checks.whole(f"{who}.open_flags", self.open_flags, 0, 2**31 - 1)
        vfs: object = self.vfs
        if vfs is not None and not isinstance(vfs, str):
            raise errors.ConfigurationError(
                f"{who}.vfs: expected the name of a VFS or None, got {errors.shown(vfs)}"
            )
        Backoff.of(self.backoff)


def new_job_id() -> str:
    """A fresh job id, for an `enqueue` that may have to be repeated."""
    return new_ids(1)[0]


def _handler_loop() -> HandlerLoop:
    # Not before a queue has async handlers: asyncio is a third of what an import costs.
    module = importlib.import_module(".coroutines", __package__)
    loop: HandlerLoop = module.HandlerLoop()
    return loop


def _on(loop: HandlerLoop, handler: Any) -> Any:
    return lambda item: loop.call(handler, item)


def _close(
    pool: WorkerPool | None,
    loop: HandlerLoop | None,
    subscriptions: Iterable[Subscription],
    engine: Engine,
    seconds: float,
) -> None:
    try:
        if pool is not None:
            pool.stop(seconds)
    finally:
        try:
            if loop is not None:
                loop.close()
            for subscription in tuple(subscriptions):
                # A callback that does not return must not keep the queue from stopping.
                subscription.end(CLOSE_SECONDS)
        finally:  # whatever a signal handler raises: nobody else would ever close it
            engine.close()


def stop_together(services: Collection[QueueService]) -> None:
    """Stop all at the same time, so that each has its whole grace and none waits for another.

    Ctrl-C ends the grace of all, and is raised once they have stopped. What goes wrong is logged.
    """
    refuse_reentry()
    with here.inside, interrupts.shielded:
        threads = [_stopping(service) for service in services]
        while threads := [thread for thread in threads if thread.is_alive()]:
            if interrupts.shielded.interrupted:
                for service in services:
                    service._hurry()
            threads[0].join(interrupts.PIECE_SECONDS)


def _stopping(service: QueueService) -> threading.Thread:
    """A thread that stops the service; one that never ran where the system has no more."""
    thread = threading.Thread(target=_stop_or_say, args=(service,), name="sprag-stop")
    try:
        thread.start()
    except RuntimeError:
        _stop_or_say(service)
    return thread


def _stop_or_say(service: QueueService) -> None:
    try:
        service.stop()
    except Exception:
        log.exception("queue %r did not stop in order", service.name)


def _stop_at_exit() -> None:
    # One by one: Python starts no more threads. A Ctrl-C ends the grace of all.
    with interrupts.shielded:
        for service in tuple(_started):
            _stop_or_say(service)


def _forked() -> None:
    # Threads that are not in this process may have held them.
    for service in tuple(_services):
        service._make_locks()


atexit.register(_stop_at_exit)
os.register_at_fork(after_in_child=_forked)
