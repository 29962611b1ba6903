"""Two handlers for one queue: which of them may run its jobs in this process."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from types import CodeType, FunctionType
from typing import Any, Final, NamedTuple

from .errors import ConfigurationError


class Rival(NamedTuple):
    """A queue that runs already, and its class."""

    kind: type
    front: Any

    @property
    def named(self) -> str:
        return named(self.kind)


def rivals_of(kind: type, beside: Sequence[Rival], queue: str, path: str) -> list[Rival]:
    """Those of a definition of this class that it replaces: they have to stop first.

    Raises ConfigurationError if a different class runs the queue: each would take the other's
    jobs.
    """
    others = [rival for rival in beside if not _is_same(kind, rival.kind)]
    for rival in others:
        if not _replaces(kind, rival.kind):
            raise ConfigurationError(
                f"queue {queue!r} of {path} is already run in this process by {place(rival.kind)}, "
                f"so {place(kind)} cannot run it too: each would take the other's jobs. Give one "
                "of the two classes another `name`, or stop the first"
            )
    return others


def named(kind: type) -> str:
    """The class's module and qualified name."""
    return f"{kind.__module__}.{kind.__qualname__}"


def place(kind: type) -> str:
    """The class's name, and where its handler is written if that is known."""
    code = _code(kind)
    where = "" if code is None else f" ({code.co_filename}:{code.co_firstlineno})"
    return f"{named(kind)}{where}"


def _is_same(new: type, old: type) -> bool:
    """Whether both are one class, or come from one class statement (in a function that was called
    twice) and differ in nothing."""
    return new is old or (
        named(new) == named(old)
        and [base for base in new.__bases__ if base not in old.__bases__] == []
        and _parts(new) == _parts(old)
    )


def _replaces(new: type, old: type) -> bool:
    """Whether `new` is a later definition of `old`: a cell that was run again, a module that was
    reloaded."""
    return named(new) == named(old) and (_defined_last(new) or _is_interactive(new))


def _defined_last(kind: type) -> bool:
    """Whether the class's name in its module leads to it."""
    found: object = sys.modules.get(kind.__module__)
    for part in kind.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is kind


def _is_interactive(kind: type) -> bool:
    main = sys.modules.get("__main__")
    return kind.__module__ == "__main__" and not hasattr(main, "__file__")


# What Python itself puts into a class.
_NOT_PARTS: Final = frozenset(
    ["__dict__", "__weakref__", "__doc__", "__module__", "__qualname__", "__firstlineno__",
     "__static_attributes__", "__annotations__", "__annotate__", "__annotate_func__",
     "__annotations_cache__", "__abstractmethods__", "_abc_impl"]
)  # fmt: skip


def _parts(kind: type) -> dict[str, Any]:
    return {name: _part(value) for name, value in vars(kind).items() if name not in _NOT_PARTS}


def _part(value: object) -> Any:
    """What tells a class's attribute from another's: of a function its code, not its identity."""
    if isinstance(value, staticmethod | classmethod):
        return type(value), _part(value.__func__)
    if not isinstance(value, FunctionType):
        return _Same(value)
    cells = zip(value.__code__.co_freevars, value.__closure__ or (), strict=True)
    held = [_Same(_content(cell)) for name, cell in cells if name != "__class__"]
    defaults = [_Same(given) for given in (value.__defaults__ or ())]
    return _Same(value.__code__), held, defaults


def _content(cell: Any) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # nothing was assigned yet
        return None


class _Same:
    """Equal to what holds the very same object, or an equal number or text."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and (
            self._value is other._value
            or (
                type(self._value) is type(other._value)
                and isinstance(self._value, str | int | float)
                and self._value == other._value
            )
        )

    __hash__ = None  # type: ignore[assignment]


def _code(kind: type) -> CodeType | None:
    handler = inspect.unwrap(getattr(kind, "handle_item", None))  # type: ignore[arg-type]
    found = getattr(handler, "__code__", None)
    return found if isinstance(found, CodeType) else None
