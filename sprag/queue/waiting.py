"""Waiting for the end of a job, in a thread. `asynchronous` has the awaitable twin."""

from __future__ import annotations

import math
import time
from types import TracebackType
from typing import Self

from . import checks, durations, errors
from .job import Job
from .lifecycle import Lifecycle
from .threads import interrupts
from .threads.wakeup import Wakeup
from .watch.observer import Bell
from .work import attendance, deadlock


class Waiting:
    """One wait for one job: what it looks at, and when it is over.

    The `bell` is set whenever the job may have ended. Listening begins before the first look, so
    that no end falls in between; clear the bell before each look.
    """

    def __init__(
        self,
        life: Lifecycle,
        job_id: str,
        timeout: durations.Duration | None,
        bell: Bell,
    ) -> None:
        self._id = checks.job_id(job_id)
        self._timeout = None if timeout is None else durations.seconds("timeout", timeout)
        self._life = life
        self._bell = bell
        self._engine = life.open()
        self._deadline = math.inf if self._timeout is None else time.monotonic() + self._timeout
        self._of_handler = deadlock.of_handler(
            self._engine, life.settings.name, self._id, endless=self._timeout is None
        )

    def __enter__(self) -> Self:
        self._engine.observers.expect(self._id, self._bell)
        if self._of_handler is not None:
            self._of_handler.begin()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._of_handler is not None:
            self._of_handler.end()
        self._engine.observers.unexpect(self._id, self._bell)

    def look(self) -> Job | None:
        """The job if it has ended.

        Raises WaitTimeout when the time is up, JobNotFound, and QueueClosed if the queue was
        stopped; in a handler, what its own job's interrupt raises, and WaitInsideHandler.
        """
        engine, name = self._engine, self._life.settings.name
        engine.observers.check_open()
        job = engine.store.jobs.get(self._id, name)
        if job.finished:
            return job
        if self._life.engine is not engine:
            raise errors.QueueClosed(f"queue {name!r} was stopped; job {self._id} goes on")
        engine.keep_watch()
        if self._of_handler is not None:
            self._of_handler.look()
        if time.monotonic() >= self._deadline:
            idle = job.status == "queued" and attendance.is_unattended(engine, name)
            raise errors.WaitTimeout(
                self._id, self._timeout or 0.0, job.status, name if idle else None,
                why=attendance.why_it_waits(engine, job),
            )  # fmt: skip
        return None

    def left(self) -> float:
        """The seconds to wait for the bell before the next look."""
        left = max(self._deadline - time.monotonic(), 0.0)
        return left if self._of_handler is None else min(left, deadlock.LOOK_SECONDS)


def wait(life: Lifecycle, job_id: str, timeout: durations.Duration | None) -> Job:
    """Wait until the job has ended, and return it. Blocks the calling thread; Ctrl-C ends it."""
    deadlock.refuse_in_loop(job_id)
    bell = Wakeup()
    with Waiting(life, job_id, timeout, bell) as waiting:
        while True:
            bell.clear()
            job = waiting.look()
            if job is not None:
                return job
            interrupts.wait(bell, waiting.left())
