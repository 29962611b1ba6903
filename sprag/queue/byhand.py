"""What tests of queues need of the inside: a worker that runs one job when it is told to, and the
clock of a file. `sprag.testing` imports `sprag.queue` and this module, and nothing else of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from . import errors
from .checks import point_in_time
from .durations import Duration, seconds
from .job import Job
from .payload.codec import encode, same
from .service import QueueService, enqueue_task, hook_of, life_of, runs_jobs
from .signature.containers import read_by, written
from .store.tickets import Exchange
from .tasking import TaskCall
from .threads.inside import here
from .work import running
from .work.execution import execute
from .work.failures import Failures
from .work.running import RunningJob

__all__ = [
    "Crash",
    "Duration",
    "Point",
    "Step",
    "Worker",
    "alike",
    "clock_of",
    "enqueue_task",
    "mark",
    "point_in_time",
    "seconds",
    "set_clock",
]

Point = Callable[[str], bool]
"""Called with the name of each point that a handler passes; True: its process dies there."""


class Crash(BaseException):
    """Raised in a handler where its process is said to die: nothing that it does from then on is
    stored."""


@dataclass(frozen=True, slots=True)
class Step:
    """One attempt: the job as it is afterwards, and the exception that it failed by, if it did. No
    job: it cannot be read, or its process has died."""

    job: Job | None
    error: BaseException | None


class Worker:
    """Runs jobs of a queue in the calling thread, as a worker thread does, and enqueues what its
    schedules say. Use it in a `with` block.

    `point` is called whenever a handler reports progress, looks whether it is cancelled, passes a
    `mark`, or has ended. Raises ConfigurationError for a queue that cannot run jobs, or whose
    workers run.
    """

    def __init__(self, queue: QueueService, point: Point | None = None) -> None:
        who = type(queue).__name__
        if not runs_jobs(queue):
            raise errors.ConfigurationError(
                f"{who} has no handle_item(self, item) and no @task, so it cannot run jobs"
            )
        life = self._life = life_of(queue)
        if life.pool is not None:
            raise errors.ConfigurationError(
                f"{who}: expected a queue that is not started, because its workers would take the "
                "jobs; leave out `with queue:` and start()"
            )
        self.name: str = life.settings.name
        engine = self._engine = life.open()
        hook = hook_of(queue)
        self._failures = None if hook is None else Failures(self.name, life.waited_for(hook))
        self._handlers = life.runs.handlers(queue, life.settings, life.waited_for)
        self._point = point
        self._standing = life.runs.standing(life.settings)
        life.offers.is_run(engine, self.name)

    def __enter__(self) -> Self:
        # For those who ask who works here: a handler that waits for another job, above all.
        ticket = self._ticket = Exchange(
            self.name, self._engine.ownership.take(), self._life.runs.names
        )
        self._engine.crew.admit([ticket])
        most = self._life.settings.max_queued
        self._engine.timetable.take(self, self.name, self._standing, most)
        return self

    def __exit__(self, *error: object) -> None:
        self._engine.timetable.drop(self)
        self._engine.crew.discharge([self._ticket], None)

    def step(self, job_id: str | None = None) -> Step | None:
        """Run the next ready job, or the queued one of this id. None if there is none."""
        engine, raised = self._engine, list[BaseException]()
        owner = self._ticket.owner
        if self._standing:
            with here.inside:
                engine.timetable.look(owner)
        engine.store.promote(self.name)  # as the keeper does
        run = engine.store.owners.start(owner, self.name, self._life.runs.names, job_id)
        if run is None:
            return None
        handler = self._handlers[run.task]
        limit = handler.policy.time_limit if run.time_limit is None else run.time_limit
        job = RunningJob(run, self.name, engine.crew.dirty.add, limit)
        if self._point is not None:
            job = _Watched(run, self.name, engine.crew.dirty.add, limit, self._passed)
        self._ticket.claimed = run
        engine.crew.running[run.key, run.starts] = job
        try:
            outcome = execute(
                job, handler, self._life.settings.max_payload_bytes, engine.store.clock,
                raised.append,
            )  # fmt: skip
        finally:
            del engine.crew.running[run.key, run.starts]
            engine.crew.dirty.discard(job)
        if self._point is not None and self._passed("the end"):
            return Step(None, None)
        stored, after = engine.store.conclude(owner, outcome)
        self._ticket.claimed = None
        if stored and after is not None and after.status == "failed" and self._failures is not None:
            self._failures.tell(after)
        # What made it give way to a cancellation is no failure, and not stored as one.
        return Step(after, None if outcome.error is None else raised[0])

    def runs(self, job: Job) -> bool:
        """True if the queue's class has a handler for the job."""
        return job.task in self._handlers

    def next_due(self) -> float:
        """When the next waiting job is due, or the next slot of a schedule; inf if none is."""
        due = self._engine.store.jobs.next_due(self.name)
        return min(math.inf if due is None else due, self._engine.timetable.next_look(self))

    def _passed(self, name: str) -> bool:
        """True if the process dies at this point. Once this queue is stopped, the next process to
        open the file recovers the job, which may be this one."""
        dies = self._point is not None and self._point(name)
        if dies:
            self._engine.ownership.vanish()
        return dies


class _Watched(RunningJob):
    """The handle of a run whose points are watched."""

    __slots__ = ("point",)

    def __init__(
        self,
        run: Any,
        queue: str,
        on_report: Callable[[RunningJob], None],
        time_limit: float | None,
        point: Point,
    ) -> None:
        super().__init__(run, queue, on_report, time_limit)
        self.point = point

    def check_cancelled(self) -> None:
        super().check_cancelled()
        self.pass_by("check_cancelled()")

    def report_progress(self, *args: Any, **kwargs: Any) -> None:
        super().report_progress(*args, **kwargs)
        self.pass_by("report_progress()")

    def pass_by(self, name: str) -> None:
        if self.point(name):
            raise Crash(name)


def mark(name: str) -> None:
    """Pass a point of this name, if a job runs here and its points are watched."""
    job = running.current()
    if isinstance(job, _Watched):
        job.pass_by(name)


def clock_of(queue: QueueService) -> Callable[[], float]:
    """What gives the time of the queue's file in this process."""
    return life_of(queue).open().store.clock


def set_clock(queue: QueueService, clock: Callable[[], float]) -> None:
    """Let this give the time of the queue's file in this process, until the file is closed."""
    life_of(queue).open().store.clock = clock


def alike(queue: QueueService, expected: Any, job: Job) -> bool:
    """True if `expected`, enqueued, would be stored as the job's item is."""
    life = life_of(queue)
    form, limit = life.runs.item, life.settings.max_payload_bytes
    try:
        if isinstance(expected, TaskCall):
            text = expected.encoded(limit)
            return job.task == expected.task_name and same(text, job.item_json)
        if form.read and job.task is None:
            expected = written(form, read_by(form, expected, "item"), "item")
        return same(encode(expected, limit), job.item_json)
    except errors.PayloadError:
        return False
