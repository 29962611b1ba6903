"""The options of a queue and of a job: each one's type, default and check, in one place."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, Literal, TypedDict

from . import checks
from .backoff import Backoff
from .checks import Check
from .durations import Duration
from .durations import seconds as duration
from .errors import ConfigurationError
from .file.checkpoints import Durability
from .schedules import Schedule, StandingOptions, one_or_more, schedules_of
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
    schedules: Sequence[Schedule] = _option((), schedules_of)
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


# ---------------------------------------------------------------- of a task


class TaskOptions(TypedDict, total=False):
    """The keyword arguments of `@task`. Those that are left out, or None, are as the queue says."""

    name: str | None
    """What jobs call it; the method's own name if it is not given. It outlives a new name of the
    method."""
    max_attempts: int | None
    backoff: Backoff | Duration | None
    retry_on: Exceptions | None
    fail_on: Exceptions | None
    time_limit: Duration | None
    max_crashes: int | None
    priority: int
    label: str | None
    schedule: Schedule | Sequence[Schedule] | None
    """When the queue enqueues the task by itself; `item` has the arguments, by name."""


@dataclass(frozen=True, kw_only=True)
class TaskSettings:
    """The options of one task, checked."""

    name: str | None = _option(None, checks.or_none(checks.task_name))
    max_attempts: int | None = _option(None, checks.or_none(checks.between(1, _MOST_ATTEMPTS)))
    backoff: Backoff | None = _option(None, checks.or_none(checks.backoff))
    retry_on: tuple[type[BaseException], ...] | None = _option(
        None, checks.or_none(checks.exceptions)
    )
    fail_on: tuple[type[BaseException], ...] | None = _option(
        None, checks.or_none(checks.exceptions)
    )
    time_limit: float | None = _option(None, checks.or_none(checks.time_limit))
    max_crashes: int | None = _option(None, checks.or_none(checks.between(1, _MOST_ATTEMPTS)))
    priority: int = _option(0, checks.between(-_PRIORITY, _PRIORITY))
    label: str | None = _option(None, lambda _what, label: checks.label_text(label))
    schedule: Sequence[Schedule] = _option((), one_or_more)

    def of_jobs(self, plain: Options, task: str) -> Options:
        """The options of a job of the task if its call has none; `plain` are those of the queue."""
        return plain._replace(
            task=task,
            priority=self.priority,
            max_attempts=self.max_attempts or plain.max_attempts,
            max_crashes=self.max_crashes or plain.max_crashes,
            label=self.label,
        )

    def policy(self, of_queue: Policy) -> Policy:
        """What is done about attempts of the task that fail."""
        own = {name: getattr(self, name) for name in Policy._fields}
        return of_queue._replace(**{name: it for name, it in own.items() if it is not None})


def task_settings(call: str, given: TaskOptions) -> TaskSettings:
    """Check the options of a task. Raises ConfigurationError."""
    options = {option.name: option for option in dataclasses.fields(TaskSettings)}
    for name in given:
        if name not in options:
            raise ConfigurationError(unknown(call, name, options))
    return TaskSettings(
        **{name: options[name].metadata["check"](name, value) for name, value in given.items()}
    )


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
        task=plain.task,
        priority=checks.whole(
            "priority", given.get("priority", plain.priority), -_PRIORITY, _PRIORITY
        ),
        max_attempts=(
            plain.max_attempts
            if max_attempts is None
            else checks.whole("max_attempts", max_attempts, 1, _MOST_ATTEMPTS)
        ),
        max_crashes=(
            plain.max_crashes
            if max_crashes is None
            else checks.whole("max_crashes", max_crashes, 1, _MOST_ATTEMPTS)
        ),
        backoff=None if backoff is None else checks.backoff("backoff", backoff).to_json(),
        label=checks.label_text(given.get("label", plain.label)),
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
