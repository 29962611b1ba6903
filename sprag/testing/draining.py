"""Running jobs in the calling thread."""

from __future__ import annotations

from asyncio import CancelledError
from typing import Final

from sprag.queue import (
    ConfigurationError,
    IllegalMove,
    Job,
    JobInterrupted,
    QueueService,
    Retry,
)
from sprag.queue.byhand import Duration, Step, Worker, seconds

from .clock import ruling

_MOST: Final = 10_000


def drain(
    queue: QueueService,
    *,
    raising: bool = False,
    forward: Duration | None = None,
    most: int = _MOST,
) -> list[Job]:
    """Run the queue's ready jobs one by one in this thread, until none is left, and return those
    that have ended, in that order.

    All is as in a worker: jobs that handlers enqueue are run too, results and errors are stored,
    attempts are tried again, schedules enqueue what is due. What waits for its due time, such as a
    retry, is left alone; with `forward="1h"` the queue's `Clock` goes forward by so much, and stops
    wherever a job or a schedule is due, to run it. `async` handlers run on the event loop of the
    queue, while this thread waits.

    An error of a handler is stored with the job. With `raising`, it is raised here as well, once it
    is stored: the original, with its traceback. A Retry is not.

    Raises ConfigurationError for a queue whose workers run, RuntimeError after `most` attempts at
    one point in time.
    """
    ended = list[Job]()
    with Worker(queue) as worker:
        if forward is None:
            _exhaust(worker, ended, most, raising=raising)
            return ended
        clock = ruling(queue)
        end = clock() + seconds("forward", forward)
        while True:
            _exhaust(worker, ended, most, raising=raising)
            due = worker.next_due()
            clock.set(min(max(due, clock()), end))
            if due > end:
                return ended


def run_one(queue: QueueService, job: Job | str | None = None, *, raising: bool = False) -> Job:
    """Make one attempt at a job in this thread, and return the job as it is afterwards.

    Without `job`, it is the one that a worker would take next. With one, or its id, that job is
    run, also if it is not due yet. All else is as in `drain`.

    Raises LookupError if no job is ready, IllegalMove for a job that is not queued, JobNotFound.
    """
    with Worker(queue) as worker:
        if job is None:
            step = worker.step()
            if step is None:
                raise LookupError(
                    f"run_one: no job of queue {worker.name!r} is ready; {queue.counts()}"
                )
        else:
            job = queue.get(job if isinstance(job, str) else job.id)
            if not worker.runs(job):
                raise ConfigurationError(
                    f"run_one: job {job.id} belongs to the task {job.task!r}, which "
                    f"{type(queue).__name__} does not have"
                )
            step = worker.step(job.id)
            if step is None:
                raise IllegalMove(job.id, job.status, "start", ("queued",))
    _raise(step, raising=raising)
    if step.job is None:
        raise LookupError("run_one: the job that was run cannot be read")
    return step.job


def _exhaust(worker: Worker, ended: list[Job], most: int, *, raising: bool) -> None:
    """Run what is ready, until there is nothing; `ended` gets the jobs that have ended."""
    attempts = 0
    while (step := worker.step()) is not None:
        attempts += 1
        if step.job is not None and step.job.finished:
            ended.append(step.job)
        _raise(step, raising=raising)
        if attempts > most:
            raise RuntimeError(
                f"drain: {attempts} attempts were made, and jobs of {worker.name!r} are still "
                "ready: does a handler enqueue its own job, or retry without a wait? most= allows "
                "more"
            )


def _raise(step: Step, *, raising: bool) -> None:
    """Raise what is not to be kept from the test: with `raising`, every error that the handler did
    not mean; and always Ctrl-C and what a test framework ends a test with."""
    error = step.error
    if error is None or isinstance(error, Retry):
        return
    is_for_us = isinstance(error, Exception | SystemExit | CancelledError | JobInterrupted)
    if raising or not is_for_us:
        raise error
