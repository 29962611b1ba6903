"""Finds the queue or the application that an import path names."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Final

from ..queue import ConfigurationError, QueueService
from .exits import USAGE, Refusal

Found = QueueService | type[QueueService]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is searched for, in words and as tests. `here` also gets the name of the module."""

    example: str
    noun: str
    kind: str
    fits: Callable[[object], bool]
    here: Callable[[object, str], bool]


def load(path: str) -> Found:
    """Return the subclass of QueueService, or the instance of one, at `module:name`.

    `module` is enough if it defines one queue only. The working directory is
    searched for modules first. Raises Refusal.
    """
    found: Found = _load(path, _QUEUE)
    return found


def load_instance(path: str, kind: type, noun: str, example: str) -> Any:
    """Like `load`, but return the instance of `kind` at `module:name`."""
    wanted = _Wanted(
        example,
        noun,
        f"an instance of sprag.{kind.__name__}",
        lambda value: isinstance(value, kind),
        lambda value, _module: isinstance(value, kind),
    )
    return _load(path, wanted)


def _load(path: str, wanted: _Wanted) -> Any:
    module_name, colon, name = path.partition(":")
    written_as_file = "/" in path or module_name.endswith(".py")
    words = [*module_name.split("."), *(name.split(".") if colon else ())]
    if written_as_file or not all(word.isidentifier() for word in words):
        hint = ": write modules with dots and without .py" if written_as_file else ""
        raise _wrong(f"expected an import path such as {wanted.example}, got {path!r}{hint}")
    module = _module(module_name)
    return _named(module, name, path, wanted) if name else _only(module, wanted)


def _module(name: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise _wrong(
                f"module {error.name!r} was not found in {here} or in Python's path"
            ) from error
        raise broken(f"importing {name} failed", error) from error
    except Exception as error:
        raise broken(f"importing {name} failed", error) from error


def _named(module: ModuleType, name: str, path: str, wanted: _Wanted) -> Any:
    found: object = module
    for part in name.split("."):
        found = getattr(found, part, _MISSING)
        if found is _MISSING:
            raise _wrong(f"{module.__name__} has no {name!r}; {_offers(module, wanted)}")
    if wanted.fits(found):
        return found
    what = f"the class {found.__name__}" if isinstance(found, type) else ""
    raise _wrong(
        f"{path}: expected {wanted.kind}, got "
        f"{what or type(found).__name__}; {_offers(module, wanted)}"
    )


def _only(module: ModuleType, wanted: _Wanted) -> Any:
    names = _names(module, wanted)
    if len(names) != 1:
        raise _wrong(
            f"{module.__name__}: expected exactly one {wanted.noun}; {_offers(module, wanted)}"
        )
    return _named(module, names[0], names[0], wanted)


def _names(module: ModuleType, wanted: _Wanted) -> list[str]:
    """Return the names that a module defines. Classes that it only imports do not count."""
    return [name for name, value in vars(module).items() if wanted.here(value, module.__name__)]


def _offers(module: ModuleType, wanted: _Wanted) -> str:
    names = [f"{module.__name__}:{name}" for name in _names(module, wanted)]
    return f"it has {', '.join(names)}" if names else f"it has no {wanted.noun}"


def _is_queue_class(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, QueueService) and value is not QueueService


_QUEUE: Final = _Wanted(
    "examples.thumbnails:ThumbnailQueue",
    "queue",
    "a subclass of sprag.QueueService or an instance of one",
    lambda value: isinstance(value, QueueService) or _is_queue_class(value),
    lambda value, module: (
        isinstance(value, QueueService)
        or (_is_queue_class(value) and getattr(value, "__module__", None) == module)
    ),
)


def _wrong(message: str) -> Refusal:
    return Refusal(message, kind="usage", code=USAGE)


def broken(message: str, error: Exception) -> Refusal:
    """Return the refusal that reports an error of the author's code: a sentence with its place if
    sprag refused the code, or else the traceback."""
    if isinstance(error, ConfigurationError):
        return Refusal(f"{error}{_place(error)}", kind="configuration", code=USAGE)
    told = "".join(traceback.format_exception(type(error), error, _own_frames(error)))
    return Refusal(f"{message}:\n{told.rstrip()}", kind="import_failed")


def _own_frames(error: BaseException) -> TracebackType | None:
    """Return the traceback from the module's first line on, without Python's import system."""
    trace = error.__traceback__
    while trace is not None and not _is_authors(trace):
        trace = trace.tb_next
    return trace


def _place(error: BaseException) -> str:
    """Return the author's last line that led to the error."""
    place, trace = "", error.__traceback__
    while trace is not None:
        if _is_authors(trace):
            place = f" ({trace.tb_frame.f_code.co_filename}:{trace.tb_lineno})"
        trace = trace.tb_next
    return place


def _is_authors(trace: TracebackType) -> bool:
    name = str(trace.tb_frame.f_globals.get("__name__"))
    return not (
        trace.tb_frame.f_code.co_filename.startswith("<frozen importlib")
        or name.partition(".")[0] in ("importlib", "pkgutil", "sprag")
    )


_MISSING: Final = object()
