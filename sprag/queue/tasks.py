"""The tasks of a queue's class: methods whose calls are jobs."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple, Protocol

from .errors import ConfigurationError, shown
from .options import Settings, TaskSettings
from .schedules import Schedule
from .signature.annotations import signature_of
from .signature.arguments import Arguments
from .signature.models import ANYTHING, Convert, Form
from .standing import standing_of
from .store.schedules import Standing
from .threads.logs import Log
from .work.execution import Handler
from .work.policy import Policy

log: Final = Log("sprag.queue")

Call = Callable[[Any], Any]

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Front(Protocol):
    """The object that an application has."""

    def handle_item(self, item: Any, /) -> Any: ...


class TaskDefinition:
    """One method of a class, with the options of its jobs."""

    def __init__(self, function: Callable[..., Any], settings: TaskSettings) -> None:
        _check_function(function)
        functools.update_wrapper(self, function)  # type: ignore[arg-type]  # it is not called itself
        self.function = function
        self.settings = settings
        self.attribute = getattr(function, "__name__", "")
        self.owner: type = object

    def __set_name__(self, owner: type, name: str) -> None:
        self.owner, self.attribute = owner, name

    @property
    def name(self) -> str:
        """What jobs call it."""
        return self.settings.name or self.attribute

    @functools.cached_property
    def arguments(self) -> Arguments:
        """Its signature. Made at the first use, when what its annotations name is defined."""
        return Arguments(f"{self.owner.__name__}.{self.attribute}", self.function, self.owner)

    def call(self, queue: object) -> Callable[[Any], Any]:
        """What runs the task with what `arguments.taken` returns; a coroutine function if the
        method is one."""
        function = self.function
        if inspect.iscoroutinefunction(function):

            async def run_async(taken: Any) -> Any:
                args, kwargs = taken
                return await function(queue, *args, **kwargs)

            return run_async

        def run(taken: Any) -> Any:
            args, kwargs = taken
            return function(queue, *args, **kwargs)

        return run


class Repertoire(NamedTuple):
    """What a class can run: its tasks, by name, and jobs that belong to none if it `handles`
    them, whose items and results have these forms."""

    tasks: Mapping[str, TaskDefinition]
    handles: bool
    item: Form = ANYTHING
    result: Form = ANYTHING

    def __bool__(self) -> bool:
        """True if it runs any jobs."""
        return self.handles or bool(self.tasks)

    @property
    def needs_task(self) -> bool:
        """True if it runs jobs, but none without a task."""
        return bool(self.tasks) and not self.handles

    @property
    def names(self) -> str | None:
        """The tasks as the claim takes them, and as a process makes them known: a JSON array with
        null for `handle_item`. None if there is only that."""
        if not self.tasks:
            return None
        return json.dumps([*((None,) if self.handles else ()), *sorted(self.tasks)])

    def handlers(
        self, front: Front, settings: Settings, waited_for: Callable[[Call], Call]
    ) -> dict[str | None, Handler]:
        """What runs them for a queue object. `waited_for` makes a function of a coroutine
        function."""
        found: dict[str | None, Handler] = {}
        policy, attempts = settings.policy, settings.max_attempts
        if self.handles:
            read = self.item.read and functools.partial(_read_item, self.item.read)
            call = waited_for(front.handle_item)
            found[None] = Handler(call, policy, read, self.result.write)
            _say_if_in_vain(f"queue {settings.name!r}", policy, attempts)
        for name, task in self.tasks.items():
            arguments = task.arguments
            found[name] = Handler(
                waited_for(task.call(front)), task.settings.policy(policy), arguments.taken,
                arguments.result.write,
            )  # fmt: skip
            of_task = task.settings.max_attempts or attempts
            _say_if_in_vain(f"task {settings.name}.{name}", found[name].policy, of_task)
        return found

    def standing(self, settings: Settings) -> tuple[tuple[Schedule, Standing], ...]:
        """The schedules of the queue and of its tasks, with all that their jobs need."""
        return standing_of(settings, self.tasks, self.item)


def _say_if_in_vain(what: str, policy: Policy, max_attempts: int) -> None:
    if policy.retry_on and max_attempts == 1:
        log.warning("retry_on of %s changes nothing for jobs that have one attempt, and "
                    "max_attempts is 1: set it to 2 or more", what)  # fmt: skip


def _read_item(read: Convert, item: Any) -> Any:
    return read(item, "item")


def tasks_of(kind: type) -> dict[str, TaskDefinition]:
    """The tasks of a class and its bases, by name."""
    return {task.name: task for _attribute, task in _found(kind) if task is not None}


def check(kind: type, reserved: Mapping[str, str]) -> None:
    """Refuse a class whose tasks cannot work; `reserved` has the names of a queue's own methods and
    options, each with what it is."""
    names: dict[str, str] = {}
    for attribute, task in _found(kind):
        if task is None:
            raise ConfigurationError(
                f"{kind.__name__}.{attribute} hides the task of that name of a class that it "
                "derives from, so its jobs could not run: decorate it with @task, or give it "
                "another name"
            )
        if attribute == "handle_item":
            raise ConfigurationError(
                f"{kind.__name__}.handle_item runs the jobs that belong to no task: remove @task, "
                "or give the task another name"
            )
        if attribute in reserved:
            raise ConfigurationError(
                f"{kind.__name__}.{attribute}: {attribute!r} is {reserved[attribute]} of every "
                "QueueService, which the task would hide; give it another name"
            )
        if task.name in names:
            raise ConfigurationError(
                f"{kind.__name__}.{attribute} and .{names[task.name]} are both the task "
                f"{task.name!r}: give one of them another name"
            )
        names[task.name] = attribute


def _found(kind: type) -> Iterator[tuple[str, TaskDefinition | None]]:
    """The attributes that are tasks, or hide one: then None."""
    seen: dict[str, object] = {}
    for base in kind.__mro__:
        for name, value in vars(base).items():
            first = seen.setdefault(name, value)
            if isinstance(value, TaskDefinition):
                if first is value:
                    yield name, value
                elif not isinstance(first, TaskDefinition):
                    yield name, None


def _check_function(function: object) -> None:
    if not callable(function) or isinstance(function, type | staticmethod | classmethod):
        raise ConfigurationError(f"@task: expected a method, got {shown(function)}")
    name = getattr(function, "__qualname__", shown(function))
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigurationError(
            f"@task: {name} is a generator, which would never run: expected a plain method or "
            "`async def` without `yield`"
        )
    try:
        first = next(iter(signature_of(function).parameters.values()), None)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"@task: {name} has no signature: {error}") from error
    if first is None or first.kind not in _POSITIONAL:
        raise ConfigurationError(
            f"@task: {name} takes no `self`: expected a method of a QueueService"
        )
