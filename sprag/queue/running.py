"""A job while its handler runs: the handle that reports progress and learns of cancellation."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final

from .codec import decode
from .errors import JobCancelled, JobInterrupted, JobReleased, NoRunningJob, shown
from .tickets import Report, Run


class RunningJob:
    """The handle of one run, valid in any thread while the handler has not returned.

    Neither method touches the disk: what is reported is stored by the queue
    some ten times a second, and always before the job's outcome.
    """

    __slots__ = (
        "_interrupt",
        "_on_report",
        "_report",
        "attempt",
        "id",
        "interrupted",
        "queue",
        "run",
    )

    def __init__(self, run: Run, queue: str, on_report: Callable[[RunningJob], None]) -> None:
        self.run = run
        self.id = run.id
        self.queue = queue
        self.attempt = run.attempt
        self._on_report = on_report
        self._report: tuple[Any, ...] | None = None
        self._interrupt: type[JobInterrupted] | None = None
        self.interrupted: Callable[[], None] | None = None
        """Called when the interrupt is set, if it is set itself: an event loop's way to wait."""

    @property
    def item(self) -> Any:
        """What was enqueued, decoded anew at each access."""
        return decode(self.run.item_json)

    @property
    def cancel_requested(self) -> bool:
        """Whether someone asked to cancel this job."""
        return self._interrupt is JobCancelled

    @property
    def release_requested(self) -> bool:
        """Whether the queue stops and wants this job back."""
        return self._interrupt is JobReleased

    def check_cancelled(self) -> None:
        """Raise JobCancelled if someone asked to cancel, JobReleased if the queue stops and the
        time of grace is over. Let both pass through."""
        if self._interrupt is not None:
            raise self._interrupt(self.id)

    def report_progress(
        self,
        current: float | None = None,
        total: float | None = None,
        percent: float | None = None,
        message: str | None = None,
    ) -> None:
        """Say how far the job is. `percent` follows from `current` and `total` if left out.

        Raises TypeError or ValueError for what is no finite number, or no text.
        """
        if current is not None and (type(current) is not int or abs(current) > _INT):
            _check_number("current", current)
        if total is not None and (type(total) is not int or abs(total) > _INT):
            _check_number("total", total)
        if percent is not None:
            _check_number("percent", percent)
            percent = min(max(percent, 0.0), 100.0)
        elif current is not None and total:
            percent = min(max(100.0 * current / total, 0.0), 100.0)
        if message is not None and type(message) is not str:
            raise TypeError(f"message: expected text, got {shown(message)}")
        self._report = (current, total, percent, message)
        self._on_report(self)

    # For the queue itself.

    def interrupt(self, kind: type[JobInterrupted]) -> None:
        """Make `check_cancelled` raise from now on; a cancellation is not overruled."""
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
            # Progress is no payload: what is no valid text, or endless, is shown as well as can be.
            message = message[:_MESSAGE].encode("utf-8", "backslashreplace").decode()
        return (self.run.key, self.run.starts, current, total, percent, message)


_INT: Final = 2**53
_MESSAGE: Final = 1000

_current: Final[ContextVar[RunningJob | None]] = ContextVar("sprag_running_job", default=None)
current: Final = _current.get
enter: Final = _current.set
leave: Final = _current.reset


def running_job() -> RunningJob:
    """The job whose handler this code is part of. Raises NoRunningJob elsewhere, also in threads
    that a handler started: pass them the handle."""
    job = _current.get()
    if job is None:
        raise NoRunningJob(
            "no job runs here: expected to be called inside handle_item(). In a thread that a "
            "handler starts, use the handle `self.current_job`, taken in the handler and passed on"
        )
    return job


def _check_number(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name}: expected a number, got {shown(value)}")
    if not abs(value) <= _INT:  # also refuses nan
        raise ValueError(f"{name}: expected a number up to 2**53, got {shown(value)}")
