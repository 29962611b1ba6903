"""The options of a queue and of a job: each one's type, default and check, in one place."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, Literal

from . import checks
from .backoff import Backoff
from .checks import Check
from .durations import Duration
from .durations import seconds as duration
from .errors import ConfigurationError, PayloadTooLarge
from .file.checkpoints import Durability
from .schedules import Schedule, StandingOptions, schedules_of
from .store.schedules import Standing, options_text
from .store.tickets import Options
from .work.policy import Policy

Exceptions = type[BaseException] | tuple[type[BaseException], ...]
"""What `except` takes."""

_MOST_WORKERS: Final = 1000
_MOST_ATTEMPTS: Final = 10**6
_PRIORITY: Final = 2**31


class _Unset:
    def __repr__(self) -> str:
        return "<as in the class>"


UNSET: Final[Any] = _Unset()
"""The default of an argument that was not given, if None is a valid value."""


# ---------------------------------------------------------------- of a queue


# ruff: noqa: RUF009  # it makes the fields of the dataclass
def _option(default: Any, check: Check) -> Any:
    return field(default=default, metadata={"check": check})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The options of one queue, checked. `QueueService` takes its defaults from here and says
    what each option means."""

    name: str = _option("", checks.queue_name)
    database: str | Path = _option("sprag.db", checks.file_path)
    worker_count: int = _option(4, checks.between(1, _MOST_WORKERS))
    max_attempts: int = _option(1, checks.between(1, _MOST_ATTEMPTS))
    backoff: Backoff = _option(Backoff(), checks.backoff)
    retry_on: tuple[type[BaseException], ...] | None = _option(
        None, checks.or_none(checks.exceptions)
    )
    fail_on: tuple[type[BaseException], ...] = _option((), checks.exceptions)
    time_limit: float | None = _option(None, checks.or_none(checks.time_limit))
    max_crashes: int = _option(3, checks.between(1, _MOST_ATTEMPTS))
    max_queued: int | None = _option(None, checks.or_none(checks.between(1, 10**9)))
    max_payload_bytes: int = _option(1024 * 1024, checks.between(1, 500_000_000))
    durability: Durability = _option("full", checks.durability)
    schedules: Sequence[Schedule] = _option(
        (),
        lambda what, value: _scheduled(what, value),  # noqa: PLW0108  # it stands below
    )
    grace_seconds: float = _option(10.0, duration)
    busy_seconds: float = _option(10.0, duration)
    vfs: str | None = _option(None, checks.vfs)
    open_flags: int = _option(0, checks.between(0, 2**31 - 1))

    def changed(self, who: str, name: str, value: object) -> Settings:
        """A copy with another value for one option, which is checked."""
        return dataclasses.replace(self, **{name: checked(who, name, value)})

    @property
    def policy(self) -> Policy:
        """What the queue does about attempts that fail."""
        return Policy(self.backoff, self.retry_on, self.fail_on, self.time_limit)

    def of_jobs(self) -> Options:
        """The options of a job if `enqueue` has none."""
        return Options(
            self.name,
            max_attempts=self.max_attempts,
            max_crashes=self.max_crashes,
            max_queued=self.max_queued,
        )

    def __post_init__(self) -> None:
        self.standing()  # so that an item that is too large is reported now

    def standing(self) -> tuple[tuple[Schedule, Standing], ...]:
        """The schedules, each with what its jobs need. Raises PayloadTooLarge."""
        return tuple((schedule, _standing(self, schedule)) for schedule in self.schedules)


OPTIONS: Final[Mapping[str, Check]] = {
    option.name: option.metadata["check"] for option in dataclasses.fields(Settings)
}
"""The check of each option, by its name."""


def checked(who: str, name: str, value: object) -> Any:
    """The value of the option as the queue uses it. Raises ConfigurationError."""
    return OPTIONS[name](f"{who}.{name}", value)


def settings_of(queue: object) -> Settings:
    """Read the options from a queue's attributes. Raises ConfigurationError."""
    who = type(queue).__name__
    found = {}
    for name in OPTIONS:
        try:
            value = getattr(queue, name)
        except AttributeError as error:  # a slot or a property that was never set
            raise ConfigurationError(
                f"{who}.{name}: expected a value, got none ({error}); give it to the class or "
                "before super().__init__()"
            ) from error
        found[name] = checked(who, name, value)
    return Settings(**found)


def unknown(call: str, name: str, known: Iterable[str], meant: str | None = None) -> str:
    """The message that there is no such option, with the one that was probably meant."""
    known = tuple(known)
    meant = meant or next(iter(get_close_matches(name, known, 1)), None)
    hint = f"did you mean {meant!r}?" if meant is not None else f"expected {', '.join(known)}"
    return f"{call} has no option {name!r}: {hint}"


# ---------------------------------------------------------------- of a job


class CommonOptions(StandingOptions, total=False):
    """The keyword arguments of everything that accepts a job."""

    delay: Duration | None
    """How long to hold the job back: seconds, a timedelta, or text such as "5m"."""
    run_at: datetime | float | None
    """When it may start: an aware datetime or unix seconds."""
    unique: str | Callable[[Any], str | None] | None
    """A key that no two jobs of the queue hold at the same time: if a job holds it, that one is
    returned. Text, or a function of the item that returns it; None: no key."""
    unique_for: Literal["queued", "unfinished"] | Duration
    """How long the key is held: until the job starts, until it has ended (if this is not given), or
    for so long, whatever becomes of the job."""


class JobOptions(CommonOptions, total=False):
    """The keyword arguments of `enqueue`, `enqueue_many` and their awaitable twins. A controller
    sets the audience itself."""

    audience: str | None
    """Who may see the job, for code that asks (the web tier does)."""


_STANDING_OPTIONS: Final = tuple(StandingOptions.__annotations__)
_JOB_OPTIONS: Final = tuple(JobOptions.__annotations__)


def options_of(settings: Settings, plain: Options, given: JobOptions, call: str) -> Options:
    """Check the options of a job. `plain` has the values for what is not given."""
    if not given:
        return plain
    for name in given:
        if name not in _JOB_OPTIONS:
            raise ConfigurationError(unknown(f"{call}()", name, _JOB_OPTIONS))
    max_attempts, max_crashes = given.get("max_attempts"), given.get("max_crashes")
    backoff = given.get("backoff")
    time_limit = given.get("time_limit")
    unique_for, unique_seconds = _hold_of(given)
    return Options(
        queue=settings.name,
        priority=checks.whole("priority", given.get("priority", 0), -_PRIORITY, _PRIORITY),
        max_attempts=(
            settings.max_attempts
            if max_attempts is None
            else checks.whole("max_attempts", max_attempts, 1, _MOST_ATTEMPTS)
        ),
        max_crashes=(
            settings.max_crashes
            if max_crashes is None
            else checks.whole("max_crashes", max_crashes, 1, _MOST_ATTEMPTS)
        ),
        backoff=None if backoff is None else checks.backoff("backoff", backoff).to_json(),
        label=checks.label_text(given.get("label")),
        audience=checks.audience(given.get("audience")),
        due_at=checks.due_time(given.get("delay"), given.get("run_at")),
        max_queued=settings.max_queued,
        time_limit=None if time_limit is None else checks.time_limit("time_limit", time_limit),
        unique_for=unique_for,
        unique_seconds=unique_seconds,
    )


def _hold_of(given: JobOptions) -> tuple[str | None, float | None]:
    """How long the job's unique key is held. Both are None for a job without one."""
    unique = given.get("unique")
    if "unique_for" not in given:
        return (None if unique is None else "unfinished"), None
    if unique is None:
        raise ConfigurationError("unique_for: expected a key as well, unique=, got none")
    return checks.unique_for(given["unique_for"])


# ---------------------------------------------------------------- of a schedule


def _scheduled(what: str, value: object) -> tuple[Schedule, ...]:
    """Schedules whose jobs have valid options. Raises ConfigurationError."""
    schedules = schedules_of(what, value)
    for schedule in schedules:
        try:
            _standing(_ANY, schedule)
        except ConfigurationError as error:
            raise ConfigurationError(f"{what}: {schedule!r}: {error}") from error
    return schedules


def _standing(settings: Settings, schedule: Schedule) -> Standing:
    for name in schedule.options:
        if name not in _STANDING_OPTIONS:
            raise ConfigurationError(unknown(type(schedule).__name__, name, _STANDING_OPTIONS))
    # A job says by its label which schedule it is of.
    given = JobOptions(label=schedule.name)
    given.update({n: v for n, v in schedule.options.items() if v is not None})  # type: ignore[typeddict-item]
    options = options_of(settings, settings.of_jobs(), given, type(schedule).__name__)
    size = len(schedule.item_json.encode())
    if size > settings.max_payload_bytes:
        raise PayloadTooLarge(f"item of {schedule!r}", size, settings.max_payload_bytes)
    return Standing(schedule.name, schedule.definition, schedule.item_json, options_text(options))


_ANY: Final = Settings(max_payload_bytes=2**62)
