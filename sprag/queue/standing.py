"""What the schedules of a queue and of its tasks enqueue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from .errors import ConfigurationError, shown
from .options import JobOptions, Settings, TaskSettings, options_of, unknown
from .payload.codec import encode
from .schedules import Schedule, StandingOptions
from .signature.annotations import signature_of
from .signature.arguments import Arguments
from .signature.containers import read_by, written
from .signature.models import Form
from .store.schedules import Standing, options_text
from .store.tickets import Options


class Scheduled(Protocol):
    """A task, as far as its schedules need it."""

    settings: TaskSettings
    function: Any

    @property
    def name(self) -> str: ...

    @property
    def arguments(self) -> Arguments: ...


def standing_of(
    settings: Settings, tasks: Mapping[str, Scheduled], form: Form
) -> tuple[tuple[Schedule, Standing], ...]:
    """The schedules of a queue, each with all that its jobs need; `form` is that of its items.
    Raises ConfigurationError, ArgumentError or PayloadError."""
    found, limit, plain = [], settings.max_payload_bytes, settings.of_jobs()
    for schedule in settings.schedules:
        item, root = schedule.item, f"{schedule!r}: item"
        text = encode(
            written(form, read_by(form, item, root), root) if form.read else item, limit, root
        )
        found.append((schedule, _standing(settings, plain, schedule.name, schedule, text)))
    for task in tasks.values():
        of_task = task.settings.of_jobs(plain, task.name)
        for name, schedule in _named(task):
            given = {} if schedule.item is None else schedule.item
            text = task.arguments.encoded(task.arguments.bound((), given), limit)
            found.append((schedule, _standing(settings, of_task, name, schedule, text)))
    return tuple(found)


def check(
    kind: type, schedules: Sequence[Schedule], tasks: Mapping[str, Scheduled], *, handles: bool
) -> None:
    """Refuse a class whose schedules cannot work. The types of their arguments are not looked at:
    what these name may not be defined yet."""
    if schedules and tasks and not handles:
        raise ConfigurationError(
            f"{kind.__name__}.schedules: the class has tasks and no handle_item, so nothing would "
            "run these jobs: expected @task(schedule=…)"
        )
    settings = Settings(name="any")
    names = [schedule.name for schedule in schedules]
    for schedule in schedules:
        _options(f"{kind.__name__}.schedules", settings, settings.of_jobs(), schedule)
    for task in tasks.values():
        for name, schedule in _named(task):
            what = f"{kind.__name__}.{task.name}"
            _options(what, settings, settings.of_jobs(), schedule)
            _check_arguments(what, task, schedule)
            names.append(name)
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigurationError(
            f"{kind.__name__}: two schedules have the name {shown(twice)}; give each a name= of "
            "its own"
        )


def _named(task: Scheduled) -> Iterator[tuple[str, Schedule]]:
    """The schedules of a task with their names: a single one may have that of the task."""
    schedules = task.settings.schedule
    for schedule in schedules:
        name = task.name if len(schedules) == 1 else f"{task.name}: {schedule.name}"
        yield schedule.name if schedule.is_named else name, schedule


def _standing(
    settings: Settings, plain: Options, name: str, schedule: Schedule, text: str
) -> Standing:
    options = _options("schedules", settings, plain, schedule)
    if options.label is None:
        options = options._replace(label=name)  # so that a job says which schedule it is of
    return Standing(name, schedule.definition, text, options_text(options))


def _options(what: str, settings: Settings, plain: Options, schedule: Schedule) -> Options:
    known = tuple(StandingOptions.__annotations__)
    given = JobOptions()
    given.update({n: v for n, v in schedule.options.items() if v is not None})  # type: ignore[typeddict-item]
    try:
        for name in schedule.options:
            if name not in known:
                raise ConfigurationError(unknown(type(schedule).__name__, name, known))
        return options_of(settings, plain, given, type(schedule).__name__)
    except ConfigurationError as error:
        raise ConfigurationError(f"{what}: {schedule!r}: {error}") from error


def _check_arguments(what: str, task: Scheduled, schedule: Schedule) -> None:
    given = {} if schedule.item is None else schedule.item
    if not isinstance(given, dict) or not all(isinstance(name, str) for name in given):
        raise ConfigurationError(
            f"{what}: {schedule!r}: expected item= to have the arguments by name, such as "
            f'{{"user_id": 7}}, got {shown(given)}'
        )
    try:
        signature_of(task.function).bind(None, **given)
    except TypeError as error:
        raise ConfigurationError(f"{what}: {schedule!r}: {error}, as item= says") from error
