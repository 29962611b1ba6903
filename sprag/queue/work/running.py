"""A job while its handler runs: the handle that reports progress and learns of cancellation."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from contextvars import ContextVar
from numbers import Complex, Real
from time import monotonic
from typing import Any, Final

from ..errors import (
    JobCancelled,
    JobInterrupted,
    JobReleased,
    JobTimeout,
    NoRunningJob,
    shown,
)
from ..payload.codec import decode
from ..store.tickets import Report, Run


class RunningJob:
    """The handle of one run. Any thread may use it until the handler returns.

    Neither method touches the disk: the queue stores what is reported about ten
    times a second, and always before the job's outcome.
    """

    __slots__ = (
        "_interrupt",
        "_on_report",
        "_report",
        "asyncio_task",
        "attempt",
        "deadline",
        "id",
        "interrupted",
        "queue",
        "run",
        "task",
        "thread",
        "time_limit",
    )

    def __init__(
        self,
        run: Run,
        queue: str,
        on_report: Callable[[RunningJob], None],
        time_limit: float | None = None,
    ) -> None:
        self.run = run
        self.id: str = run.id
        self.queue: str = queue
        self.task: str | None = run.task
        self.attempt: int = run.attempt
        self.time_limit: float | None = time_limit
        """How many seconds this attempt may take; None: any number."""
        self.deadline: float | None = None if time_limit is None else monotonic() + time_limit
        """When the limit is reached, by the monotonic clock."""
        self._on_report = on_report
        self._report: tuple[Any, ...] | None = None
        self._interrupt: type[JobInterrupted] | None = None
        self.interrupted: Callable[[], None] | None = None
        """Called when the job is asked to give way: an event loop sets it, to cancel a task."""
        # For `deadlock`: the thread that runs a plain handler, or waits for an async one; its task.
        self.thread: int | None = None
        self.asyncio_task: object = None

    @property
    def item(self) -> Any:
        """What was enqueued, decoded again at each access."""
        return decode(self.run.item_json)

    @property
    def cancel_requested(self) -> bool:
        """True if someone has asked to cancel this job."""
        return self._interrupt is JobCancelled

    @property
    def release_requested(self) -> bool:
        """True if the queue is stopping and wants this job back."""
        return self._interrupt is JobReleased

    def check_cancelled(self) -> None:
        """Raise JobCancelled if someone asked to cancel the job, JobReleased if the queue stops and
        its grace has ended, JobTimeout if the job's time limit is over. Let all of them pass
        through the handler."""
        if self._interrupt is not None:
            raise self._interrupt(self.id)
        if self.time_limit is not None and self.late_by >= 0:
            raise JobTimeout(self.id, self.time_limit)

    def report_progress(
        self,
        current: float | None = None,
        total: float | None = None,
        percent: float | None = None,
        message: str | None = None,
    ) -> None:
        """Report how far the job is. `percent` is computed from `current` and `total` if left out.

        Numbers of other libraries, such as numpy, are accepted. Raises TypeError for what is
        not a number or not text, ValueError for a number that is not finite or above 2**53.
        """
        if current is not None and (type(current) is not int or abs(current) > _INT):
            current = _number("current", current)
        if total is not None and (type(total) is not int or abs(total) > _INT):
            total = _number("total", total)
        if percent is not None:
            percent = min(max(_number("percent", percent), 0.0), 100.0)
        elif current is not None and total:
            percent = min(max(100.0 * current / total, 0.0), 100.0)
        if message is not None and type(message) is not str:
            if not isinstance(message, str):
                raise TypeError(f"message: expected text, got {shown(message)}")
            message = str.__str__(message)  # a subclass might be stored as something else
        self._report = (current, total, percent, message)
        self._on_report(self)

    # For the queue itself.

    @property
    def late_by(self) -> float:
        """The seconds since the time limit was reached; negative before, or without one."""
        return -math.inf if self.deadline is None else monotonic() - self.deadline

    def interrupt(self, kind: type[JobInterrupted]) -> None:
        """Make `check_cancelled` raise from now on. A cancellation is not replaced by a release."""
        if kind is self._interrupt:
            return  # the keeper repeats it at each look
        if self._interrupt is not JobCancelled:
            self._interrupt = kind
        if self.interrupted is not None:
            self.interrupted()

    def report(self) -> Report | None:
        """The latest progress, as the journal stores it."""
        said = self._report
        if said is None:
            return None
        current, total, percent, message = said
        if message is not None:
            # Progress is not a payload: text that is not valid, or endless, is shown as far as
            # possible.
            message = message[:_MESSAGE].encode("utf-8", "backslashreplace").decode()
        return (self.run.key, self.run.starts, current, total, percent, message)


_INT: Final = 2**53
_MESSAGE: Final = 1000

_current: Final[ContextVar[RunningJob | None]] = ContextVar("sprag_running_job", default=None)
current: Final = _current.get
enter: Final = _current.set

loop_threads: Final[set[int]] = set()
"""The threads whose event loops run handlers: code that blocks one of them blocks all of those."""


def running_job() -> RunningJob:
    """The job whose handler runs this code. Raises NoRunningJob elsewhere, also in threads that a
    handler started: pass them the handle."""
    job = _current.get()
    if job is None:
        raise NoRunningJob(
            "no job runs here: expected to be called inside handle_item(). For a thread that a "
            "handler starts, take the handle `self.current_job` in the handler and pass it on"
        )
    return job


def _number(name: str, value: Any) -> int | float:
    """The number as SQLite stores it: from an int, a float, or an object that can become one."""
    number: int | float | None = value if type(value) is float else _like_a_number(name, value)
    if number is None:
        raise TypeError(f"{name}: expected a number, got {shown(value)}")
    if not abs(number) <= _INT:  # also refuses nan
        raise ValueError(f"{name}: expected a number up to 2**53, got {shown(value)}")
    return number


def _like_a_number(name: str, value: Any) -> int | float | None:
    kind = type(value)
    # numpy's bool_ is not a bool, and float() would accept numpy's text and complex numbers.
    if isinstance(value, str | bytes) or kind.__name__ in ("bool", "bool_"):
        return None
    if isinstance(value, Complex) and not isinstance(value, Real):
        return None
    for method, convert in (("__index__", operator.index), ("__float__", float)):
        if hasattr(kind, method):
            try:
                return convert(value)
            except TypeError:
                continue  # an array of numpy has both, and one may work
            except (ValueError, OverflowError) as error:
                raise ValueError(
                    f"{name}: expected a number up to 2**53, got {shown(value)}"
                ) from error
    return None
