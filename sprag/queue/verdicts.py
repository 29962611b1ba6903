"""What a handler raises to say itself how its attempt ends."""

from __future__ import annotations

from datetime import datetime

from . import checks
from .durations import Duration
from .durations import seconds as duration
from .errors import ConfigurationError, told


class _Verdict(Exception):
    """An exception whose text, if it has none of its own, is that of its cause."""

    _plainly = ""

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        if self.message:
            return str(self.message)
        cause = self.__cause__ or (None if self.__suppress_context__ else self.__context__)
        if cause is None:
            return self._plainly
        kind, text = type(cause).__qualname__, told(cause)
        return kind if text == kind else f"{kind}: {text}"


class Retry(_Verdict):
    """Ends an attempt that is to be followed by another one, whatever `retry_on` and `fail_on` say.

    The job waits `after` (a duration: 30, "5m" or a timedelta), or until `at` (an aware datetime or
    unix seconds), or as long as its back-off says. `counted=False` gives the attempt back, because
    it was not the job's fault: a service that is down, a limit that is reached. Such a job waits a
    second at least, its back-off grows with each start, and nothing but its own handler ends it. If
    an attempt counts and none is left, the job fails.

    `raise Retry() from error` has the message of `error`, and its traceback stays in the history.
    Raises ConfigurationError for a bad argument.
    """

    _plainly = "the handler asked for another attempt"

    def __init__(
        self,
        message: str = "",
        *,
        after: Duration | None = None,
        at: datetime | float | None = None,
        counted: bool = True,
    ) -> None:
        super().__init__(message)
        if after is not None and at is not None:
            raise ConfigurationError("Retry: expected after= or at=, got both")
        self.after = None if after is None else duration("Retry.after", after)
        self.at = None if at is None else checks.point_in_time("Retry.at", at)
        self.counted = checks.flag("Retry.counted", counted)

    def due_at(self, now: float) -> float | None:
        """When the next attempt may start, in unix seconds; None: as the back-off says."""
        return self.at if self.after is None else now + self.after


class Fail(_Verdict):
    """Fails the job for good, however many attempts are left.

    `raise Fail() from error` has the message of `error`, and its traceback stays in the history.
    """

    _plainly = "the handler gave up"
