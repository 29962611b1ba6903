"""What an author says of jobs that a queue enqueues by itself: `Cron` and `Every`."""

from __future__ import annotations

import json
from typing import Any, Final, Literal, TypedDict, Unpack

from .backoff import Backoff
from .durations import Duration
from .errors import ConfigurationError, shown
from .payload.codec import encode
from .slots import CRON, EVERY, calendar, slots_of

Missed = Literal["run", "skip"]

_NAME: Final = 100
_LONGEST: Final = 3660 * 86400
_UNITS: Final = {"days": 86400, "hours": 3600, "minutes": 60, "seconds": 1}
_NO_LIMIT: Final = 2**62


class StandingOptions(TypedDict, total=False):
    """The options of a job that do not depend on when it is enqueued."""

    priority: int
    """Higher ones start first; 0 if it is not given."""
    max_attempts: int | None
    """Replaces the queue's own value; so do the next three."""
    backoff: Backoff | Duration | None
    time_limit: Duration | None
    max_crashes: int | None
    label: str | None
    """A name for people, at most 200 characters. A schedule's own name if it is not given."""


class Schedule:
    """When a queue enqueues `item` by itself. Make a `Cron` or an `Every`."""

    def __init__(
        self, definition: str, item: Any, name: object, missed: object, options: StandingOptions
    ) -> None:
        self.definition: Final = definition
        """As JSON. If it changes, the schedule starts anew."""
        self.slots: Final = slots_of(definition)
        # Now, so that an item that cannot be stored is reported where it is written.
        encode(item, _NO_LIMIT)
        self.item: Final = item
        self.name: Final = _named(name, self.slots.words)
        self.is_named: Final = name is not None
        if missed not in ("run", "skip"):
            raise ConfigurationError(f'missed: expected "run" or "skip", got {shown(missed)}')
        self.skips: Final = missed == "skip"
        self.options: Final = options

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


class Cron(Schedule):
    """A schedule by a cron expression: `Cron("0 6 * * *", timezone="Europe/Berlin", item=…)`.

    The five fields are minute, hour, day of the month, month and day of the
    week, as in crontab. If a clock change repeats an hour, a fixed time in it
    comes once; if it skips one, a fixed time in it comes right after the gap.
    `item`, `name`, `missed` and the options are those of `Every`. Needs the
    extra `schedules`.
    """

    def __init__(
        self,
        expression: str,
        *,
        timezone: str = "UTC",
        item: Any = None,
        name: str | None = None,
        missed: Missed = "run",
        **options: Unpack[StandingOptions],
    ) -> None:
        calendar(expression, timezone)
        said = {CRON: " ".join(expression.split()), "timezone": timezone}
        super().__init__(json.dumps(said), item, name, missed, options)


class Every(Schedule):
    """A schedule by an interval: `Every(minutes=5, item=…)`.

    The slots are counted from 1970-01-01 00:00 UTC, so all processes agree on
    them: `Every(minutes=5)` comes at 10:00, 10:05 and so on. For a time of day,
    use `Cron`.

    `item` is what each job gets. The `name` tells schedules of a queue apart;
    by default it is the interval in words. If slots are missed, because no
    process ran the queue, the newest of them runs once; with `missed="skip"`,
    a slot that is more than a minute late is left out. `priority`,
    `max_attempts`, `backoff`, `time_limit`, `max_crashes` and `label` are those
    of `enqueue`.
    """

    def __init__(
        self,
        *,
        seconds: float = 0,
        minutes: float = 0,
        hours: float = 0,
        days: float = 0,
        item: Any = None,
        name: str | None = None,
        missed: Missed = "run",
        **options: Unpack[StandingOptions],
    ) -> None:
        given = {"days": days, "hours": hours, "minutes": minutes, "seconds": seconds}
        super().__init__(json.dumps({EVERY: _interval(given)}), item, name, missed, options)


def schedules_of(what: str, value: object) -> tuple[Schedule, ...]:
    """Some schedules with different names. Raises ConfigurationError."""
    if not isinstance(value, list | tuple) or not all(isinstance(one, Schedule) for one in value):
        raise ConfigurationError(
            f"{what}: expected a list of schedules, such as [Every(minutes=5, item=…)], "
            f"got {shown(value)}"
        )
    names = [schedule.name for schedule in value]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigurationError(
            f"{what}: two schedules have the name {shown(twice)}; give each a name= of its own"
        )
    return tuple(value)


def one_or_more(what: str, value: object) -> tuple[Schedule, ...]:
    """One schedule, several, or None. Raises ConfigurationError."""
    if value is None:
        return ()
    return schedules_of(what, [value] if isinstance(value, Schedule) else value)


def _named(name: object, words: str) -> str:
    if name is None:
        return words[:_NAME]
    if not isinstance(name, str) or not 0 < len(name) <= _NAME or not name.isprintable():
        raise ConfigurationError(
            f"name: expected one line of printable text, 1 to {_NAME} characters, got {shown(name)}"
        )
    return name


def _interval(given: dict[str, Any]) -> int:
    """The seconds of an interval. Raises ConfigurationError."""
    for unit, count in given.items():
        if isinstance(count, bool) or not isinstance(count, int | float) or not count >= 0:
            raise ConfigurationError(f"Every: {unit}: expected a number, got {shown(count)}")
    seconds = sum(count * _UNITS[unit] for unit, count in given.items())
    if not 1 <= seconds <= _LONGEST or seconds != int(seconds):
        told = {unit: count for unit, count in given.items() if count}
        raise ConfigurationError(
            "Every: expected an interval of whole seconds, from 1 second to 10 years, such as "
            f"Every(minutes=5); got {shown(told)}"
        )
    return int(seconds)
