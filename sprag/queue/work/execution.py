"""One run of a job, from its item to its outcome. The one place that catches what a handler
raises."""

from __future__ import annotations

import inspect
import threading
import time
import traceback
from collections.abc import Callable
from contextvars import Context
from dataclasses import replace
from types import FrameType
from typing import Any, Final, NamedTuple

from .. import errors
from ..backoff import Backoff
from ..durations import END_OF_TIME
from ..errors import (
    ConfigurationError,
    JobCancelled,
    JobInterrupted,
    JobReleased,
    JobTimeout,
    PayloadError,
)
from ..job import JobError, attempts_of
from ..payload.codec import decode, encode
from ..store.tickets import Outcome
from ..threads.logs import Log
from . import running
from .leaving import is_due_to_the_exit
from .policy import Again, Policy
from .running import RunningJob

log: Final = Log("sprag.queue")

# How long a job waits at least after an attempt that does not count: one that asks for another
# again and again must not keep a worker busy.
_LEAST_SECONDS: Final = 1.0
_TRACEBACK_CHARS: Final = 16_000
_MESSAGE_CHARS: Final = 4_000
# The package that all rooms of the queue are in.
_QUEUE: Final = f"{__package__.rpartition('.')[0]}."


class Handler(NamedTuple):
    """What runs the jobs of one task, or those that belong to none.

    `read` makes of the item what `call` takes, and `write` of the result what can be stored; None:
    it stays as it is. `policy` says what follows from an error.
    """

    call: Callable[[Any], Any]
    policy: Policy = Policy()
    read: Callable[[Any], Any] | None = None
    write: Callable[[Any, str], Any] | None = None


def execute(
    job: RunningJob,
    handler: Handler,
    max_result_bytes: int,
    clock: Callable[[], float] = time.time,
) -> Outcome:
    """Run the handler on the job's item, in a context of its own; never raises.

    What the handler sets in its context (ContextVars, the precision of decimal) ends with it, and
    it does not see what was set where the job was enqueued or the queue was started.
    """
    return Context().run(_executed, job, handler, max_result_bytes, clock)


def _executed(
    job: RunningJob,
    handler: Handler,
    max_result_bytes: int,
    clock: Callable[[], float],
) -> Outcome:
    running.enter(job)
    job.thread = threading.get_ident()
    handled = returned = False
    try:
        item = decode(job.run.item_json)
        if handler.read is not None:
            item = handler.read(item)
        handled = True
        result = handler.call(item)
        returned = True
        if inspect.iscoroutine(result):
            result.close()
            raise PayloadError(
                f"result is a coroutine that nobody awaits: expected {job.task or 'handle_item'} "
                "itself to be an `async def`",
                "result",
            )
        if handler.write is not None:
            result = handler.write(result, "result")
        text = encode(result, max_result_bytes, "result")
    except BaseException as error:  # noqa: BLE001  # the one place that does: any end is an outcome
        # The work is done, and the next attempt would have the same result. An item that cannot be
        # read may succeed: in a worker that has the class, or once this one has been updated.
        final = returned and isinstance(error, PayloadError)
        try:
            return _outcome_of(error, job, handler.policy, clock(), handled=handled, final=final)
        except BaseException as second:  # noqa: BLE001  # an exception may hide its own traceback
            told = JobError(type(error).__name__, f"(it cannot be shown: {type(second).__name__})")
            if not final and job.run.attempt < job.run.max_attempts:
                due_at = clock() + Backoff().delay(job.run.attempt)
                return Outcome(job.run, "retry", error=told, due_at=due_at, report=job.report())
            return Outcome(job.run, "fail", error=told, report=job.report())
    else:
        return Outcome(job.run, "complete", result=text, report=job.report())


def _outcome_of(
    error: BaseException,
    job: RunningJob,
    policy: Policy,
    now: float,
    *,
    handled: bool,
    final: bool,
) -> Outcome:
    run = job.run
    gave_way = _unwrapped(error)
    if isinstance(gave_way, JobCancelled | JobTimeout) and job.cancel_requested:
        return Outcome(run, "confirm", report=job.report())
    if isinstance(gave_way, JobReleased) and (job.release_requested or job.cancel_requested):
        # If it was asked to cancel on its way out, that is stored as the confirmation.
        return Outcome(run, "release", report=job.report())
    if is_due_to_the_exit(error):
        log.warning("job %s of %s goes back to the queue, because Python is exiting and gives its "
                    "handler no thread (%s). Stop the queue before the program ends: "
                    "`with queue:`", run.id, job.queue, errors.told(error))  # fmt: skip
        return Outcome(run, "release", report=job.report())
    if isinstance(gave_way, JobTimeout):
        error = gave_way
    told = describe(error)
    again = None if final else policy.judged(error, now, handled=handled)
    if again is not None and not again.counted:
        return _given_back(job, told, now, again, policy.backoff)
    if again is None or run.attempt >= run.max_attempts:
        if again is not None and again.asked:
            told = replace(told, message=f"{told.message} (no attempt is left for the Retry)")
        _log_failure(error, job, told)
        return Outcome(run, "fail", error=told, report=job.report())
    due_at = again.due_at
    if due_at is None:
        due_at = now + _wait(job, _backoff_of(job, policy.backoff), run.attempt)
    log.warning("job %s of %s failed at attempt %d of %d and is tried again in %.1f s: %s: %s",
                run.id, job.queue, run.attempt, run.max_attempts, max(due_at - now, 0.0), told.type,
                told.message)  # fmt: skip
    return Outcome(run, "retry", error=told, due_at=due_at, report=job.report())


def _given_back(
    job: RunningJob, told: JobError, now: float, again: Again, backoff: Backoff
) -> Outcome:
    """The outcome of an attempt that does not count. Nothing ends a job that asks for one each
    time, so its back-off follows its starts, and each line of the log says how many there were."""
    run = job.run
    due_at = again.due_at
    if due_at is None:
        due_at = now + _wait(job, _backoff_of(job, backoff), run.starts)
    due_at = max(due_at, now + _LEAST_SECONDS)
    log.warning("job %s of %s is tried again in %.1f s, and its attempt is not counted (starts so "
                "far: %d): %s: %s", run.id, job.queue, due_at - now, run.starts,
                told.type, told.message)  # fmt: skip
    return Outcome(run, "release", error=told, due_at=due_at, report=job.report())


def _unwrapped(error: BaseException) -> BaseException:
    """The interrupt inside an exception group that holds nothing else. A TaskGroup makes such a
    group of what `check_cancelled` raised in its tasks."""
    if isinstance(error, BaseExceptionGroup) and error.split(JobInterrupted)[1] is None:
        return _unwrapped(error.exceptions[0])
    return error


def _log_failure(error: BaseException, job: RunningJob, told: JobError) -> None:
    run = job.run
    log.error(
        "job %s of %s failed at attempt %d of %d: %s: %s",
        run.id, job.queue, *attempts_of(run.attempt, run.max_attempts), told.type, told.message,
        exc_info=error,
    )  # fmt: skip


def _wait(job: RunningJob, backoff: Backoff, attempt: int) -> float:
    """Seconds to wait, also if a subclass's own `delay` raises or returns nonsense."""
    try:
        wait = float(backoff.delay(attempt))
        if 0 <= wait < END_OF_TIME:
            return wait
        problem = f"gave {wait}"
    except BaseException as error:  # noqa: BLE001  # other people's code
        problem = f"raised {type(error).__name__}"
    log.error("%s.delay() %s, expected seconds, 0 or more; job %s of %s waits as a plain Backoff() "
              "says", type(backoff).__name__, problem, job.id, job.queue)  # fmt: skip
    return Backoff().delay(attempt)


def _backoff_of(job: RunningJob, of_queue: Backoff) -> Backoff:
    if job.run.backoff is None:
        return of_queue
    try:
        return Backoff.from_json(job.run.backoff)
    except ConfigurationError as error:  # written by another program
        log.error("job %s of %s has a back-off that cannot be read; the queue's own is used: %s",
                  job.id, job.queue, error)  # fmt: skip
        return of_queue


def lesser(
    outcome: Outcome, error: errors.DatabaseError, hopeless: bool
) -> tuple[Outcome | None, bool]:
    """What to store in place of an outcome that cannot be, and whether that was the last way: the
    same without its progress, a failure, nothing (the job stays as it is, the worker goes on)."""
    if outcome.report is not None:
        return outcome._replace(report=None), hopeless
    if hopeless:
        return None, True
    return Outcome(outcome.run, "fail", error=describe(error)), True


def describe(error: BaseException) -> JobError:
    """An exception as it is stored: without this package's frames, and of bounded length."""
    trace = error.__traceback__
    while trace is not None and _is_ours(trace.tb_frame):
        trace = trace.tb_next
    try:
        message = str(error)
    except BaseException as second:  # noqa: BLE001  # a user's __str__ may raise anything
        message = f"(its text cannot be shown: {type(second).__name__})"
    try:
        text = "".join(traceback.format_exception(type(error), error, trace))
    except BaseException:  # noqa: BLE001  # as above; and groups may be nested too deep
        text = "".join(traceback.format_tb(trace))
    return JobError(
        _shown(type(error).__qualname__, _MESSAGE_CHARS),
        _shown(message, _MESSAGE_CHARS),
        _shown(text, _TRACEBACK_CHARS),
    )


def _is_ours(frame: FrameType) -> bool:
    return f"{frame.f_globals.get('__package__')}.".startswith(_QUEUE)


def _shown(text: str, most: int) -> str:
    """Valid text of at most about `most` characters, with its middle left out if need be."""
    if len(text) > most:
        left_out = f"… {len(text) - most} characters left out …"
        text = f"{text[: most // 2]}\n{left_out}\n{text[-most // 2 :]}"
    return text.encode("utf-8", "backslashreplace").decode()
