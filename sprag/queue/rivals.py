"""Several classes for one queue: which of them may run its jobs in this process."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from types import CodeType, FunctionType
from typing import Any, Final

from .errors import ConfigurationError
from .tasks import TaskDefinition, tasks_of


def outdated(new: type, running: Sequence[type], queue: str, path: str) -> list[type]:
    """Those of the classes that run the queue which `new` is a later definition of.

    Raises ConfigurationError if one of them is a different class: each would take the other's
    jobs.
    """
    others = [old for old in running if not _is_same(new, old)]
    for old in others:
        if not _replaces(new, old):
            raise ConfigurationError(
                f"queue {queue!r} of {path} is already run in this process by {_place(old)}, so "
                f"{_place(new)} cannot run it as well: each would take the other's jobs. Give one "
                "of the classes another `name`, or stop the first"
            )
    return others


def named(kind: type) -> str:
    """The class's module and qualified name."""
    return f"{kind.__module__}.{kind.__qualname__}"


def _place(kind: type) -> str:
    """The class's name, and where its handler is written if that is known."""
    tasks = tasks_of(kind)
    handler = next(iter(tasks.values())).function if tasks else getattr(kind, "handle_item", None)
    code = getattr(handler, "__code__", None)
    return f"{named(kind)} ({code.co_filename}:{code.co_firstlineno})" if code else named(kind)


def _replaces(new: type, old: type) -> bool:
    """True if `new` is a later definition of `old`: a cell was run again, or a module reloaded."""
    return named(new) == named(old) and (_is_of_its_module(new) or _is_typed_in(new))


def _is_of_its_module(kind: type) -> bool:
    """True if the name of the class leads to it, and not to a later definition."""
    found: object = sys.modules.get(kind.__module__)
    for part in kind.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is kind


def _is_typed_in(kind: type) -> bool:
    """True if it was defined at Python's prompt or in a notebook, which have no file."""
    file = getattr(sys.modules.get("__main__"), "__file__", "<input>")
    return kind.__module__ == "__main__" and str(file).startswith("<")


def _is_same(new: type, old: type) -> bool:
    """True if both are one class, or if they come from one class statement in a function that was
    called twice, and do not differ in anything."""
    return new is old or (
        named(new) == named(old)
        and new.__mro__[1:] == old.__mro__[1:]
        and list(_parts(new)) == list(_parts(old))
    )


# What Python itself puts into each class.
_NOT_PARTS: Final = frozenset(
    ["__dict__", "__weakref__", "__slotnames__", "__annotations__", "__annotate__",
     "__annotate_func__", "__annotations_cache__", "__abstractmethods__", "_abc_impl",
     "__orig_bases__", "__parameters__"]
)  # fmt: skip


def _parts(kind: type) -> Iterator[tuple[str, object]]:
    for name, value in vars(kind).items():
        if name not in _NOT_PARTS:
            for part in _function_parts(value):
                # Values that cannot change are the same if they are equal: text, numbers, code.
                plain = isinstance(part, str | int | float | type(None))
                yield name, part if plain else id(part)


def _function_parts(value: object) -> Iterator[object]:
    """What distinguishes a function from another one of the same lines: its code, its closure and
    its defaults."""
    function = value.__func__ if isinstance(value, staticmethod | classmethod) else value
    if isinstance(value, TaskDefinition):
        yield repr(value.settings)
        function = value.function
    if not isinstance(function, FunctionType):
        yield value
        return
    code: CodeType = function.__code__
    yield code
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        if name != "__class__":  # the class itself, for super()
            yield _content(cell)


def _content(cell: Any) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # nothing was assigned yet
        return None
