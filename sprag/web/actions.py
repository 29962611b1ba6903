"""`@action`: a method of a controller that pages may call."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar, overload

from .errors import StartupError
from .schema import Schema
from .uploads import Upload

F = TypeVar("F", bound=Callable[..., Any])

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}")
_MARK: Final = "__sprag_action__"


@dataclass(frozen=True, slots=True)
class Action:
    """An action as it was declared. Its `method` is the name of the controller's method."""

    name: str
    method: str
    schema: Schema | None
    deferred: bool
    is_async: bool


@overload
def action(function: F, /) -> F: ...


@overload
def action(
    *, name: str | None = None, schema: Schema | None = None, defer: bool = False
) -> Callable[[F], F]: ...


def action(
    function: Any = None,
    /,
    *,
    name: str | None = None,
    schema: Schema | None = None,
    defer: bool = False,
) -> Any:
    """Let pages call this method of a controller, by its own name or by `name`.

    `schema` validates what the page sends; its fields become the arguments. An
    action without a schema takes none. What the method returns is the page's
    `result.value`. Plain methods run in threads, `async` ones in the event loop.

    With `defer`, the page gets a task's id at once while the method goes on
    running; the signal `sprag:action.finished` reports how it ended. Deferred
    calls do not survive the process: put what must not be lost into a queue.

    Raises StartupError if the method cannot be called with the schema's fields.
    """

    def declare(function: Any) -> Any:
        if not inspect.isfunction(function):
            raise StartupError(f"@action: expected a method, got {function!r}")
        called = function.__name__ if name is None else name
        if not _NAME.fullmatch(str(called)):
            raise StartupError(
                f"@action on {function.__qualname__}: expected a name of letters, digits and _.-, "
                f"got {called!r}"
            )
        if schema is not None and not isinstance(schema, Schema):
            raise StartupError(
                f"@action on {function.__qualname__}: schema: expected a Schema, got {schema!r}"
            )
        _check_arguments(function, schema)
        if defer and schema is not None and any(f.type is Upload for f in schema.fields.values()):
            raise StartupError(
                f"@action on {function.__qualname__}: a deferred action cannot take an Upload, "
                "which is gone once the page has its answer: save it in a plain action first"
            )
        declared = Action(
            called, function.__name__, schema, defer, inspect.iscoroutinefunction(function)
        )
        setattr(function, _MARK, declared)
        return function

    return declare if function is None else declare(function)


def actions_of(controller: type) -> list[Action]:
    """The actions of a controller, including those of its bases."""
    found: dict[str, Action] = {}
    for kind in reversed(controller.__mro__):
        for name, value in vars(kind).items():
            declared = getattr(value, _MARK, None)
            if declared is not None:
                found[name] = declared
            else:
                found.pop(name, None)  # overridden by something that is not an action
    return list(found.values())


def _check_arguments(function: Any, schema: Schema | None) -> None:
    fields = schema.fields if schema is not None else {}
    try:
        inspect.signature(function).bind(None, **dict.fromkeys(fields))
    except TypeError as error:
        declared = (
            f"schema {schema.name!r} passes" if schema is not None else "an action without a schema"
        )
        given = f" {', '.join(fields) or 'nothing'}" if schema is not None else " gets no arguments"
        raise StartupError(
            f"@action on {function.__qualname__}{inspect.signature(function)}: {declared}{given}, "
            f"which does not fit its arguments ({error})"
        ) from None
