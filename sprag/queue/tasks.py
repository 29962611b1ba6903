"""The tasks of a queue's class: methods whose calls are jobs."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from .backoff import Backoff
from .errors import ConfigurationError, shown
from .options import TaskSettings
from .signature.annotations import signature_of
from .signature.arguments import Arguments
from .signature.models import ANYTHING, Convert, Form
from .work.execution import Handler

if TYPE_CHECKING:
    from .work.coroutines import HandlerLoop

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

    def handler(self, queue: object) -> Callable[[Any], Any]:
        """What runs the task with the item of a job; a coroutine function if the method is one."""
        function, arguments = self.function, self.arguments
        if inspect.iscoroutinefunction(function):

            async def run_async(item: Any) -> Any:
                args, kwargs = arguments.taken(item)
                return await function(queue, *args, **kwargs)

            return run_async

        def run(item: Any) -> Any:
            args, kwargs = arguments.taken(item)
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
        self, front: Front, backoff: Backoff, loop: Callable[[], HandlerLoop]
    ) -> dict[str | None, Handler]:
        """What runs them for a queue object. `loop` gives what runs coroutines."""

        def waited_for(handler: Callable[[Any], Any]) -> Callable[[Any], Any]:
            if inspect.iscoroutinefunction(handler):
                return functools.partial(loop().call, handler)
            return handler

        found: dict[str | None, Handler] = {}
        if self.handles:
            handler = _reading(front.handle_item, self.item.read)
            found[None] = Handler(waited_for(handler), backoff, self.result.write)
        for name, task in self.tasks.items():
            call = waited_for(task.handler(front))
            write = task.arguments.result.write
            found[name] = Handler(call, task.settings.backoff or backoff, write)
        return found


def _reading(handler: Callable[[Any], Any], read: Convert | None) -> Callable[[Any], Any]:
    """The handler, for items as they are stored."""
    if read is None:
        return handler
    if inspect.iscoroutinefunction(handler):

        async def run_async(item: Any) -> Any:
            return await handler(read(item, "item"))

        return run_async
    return lambda item: handler(read(item, "item"))


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
