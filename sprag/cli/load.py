"""From an import path to the queue it names."""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Final

from ..queue import QueueService
from .exits import USAGE, Refusal

Found = QueueService | type[QueueService]

_EXAMPLE: Final = "examples.thumbnails:ThumbnailQueue"


def load(path: str) -> Found:
    """The subclass of QueueService, or the instance of one, at `module:name`.

    `module` alone will do where it defines one queue. Modules are looked for in
    the working directory first. Raises Refusal.
    """
    module_name, colon, name = path.partition(":")
    written_as_file = "/" in path or module_name.endswith(".py")
    words = [*module_name.split("."), *(name.split(".") if colon else ())]
    if written_as_file or not all(word.isidentifier() for word in words):
        hint = ": write modules with dots and without .py" if written_as_file else ""
        raise _wrong(f"expected an import path such as {_EXAMPLE}, got {path!r}{hint}")
    module = _module(module_name)
    return _named(module, name, path) if name else _only(module)


def _module(name: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise _wrong(
                f"there is no module {error.name!r}: looked in {here} and where Python looks"
            ) from error
        raise _broken(f"importing {name} failed", error) from error
    except Exception as error:
        raise _broken(f"importing {name} failed", error) from error


def _named(module: ModuleType, name: str, path: str) -> Found:
    found: object = module
    for part in name.split("."):
        found = getattr(found, part, _MISSING)
        if found is _MISSING:
            raise _wrong(f"{module.__name__} has no {name!r}; {_offers(module)}")
    if isinstance(found, QueueService) or _is_queue_class(found):
        return found  # type: ignore[return-value]  # mypy does not narrow by the second test
    what = f"a class that is none ({found.__name__})" if isinstance(found, type) else ""
    raise _wrong(
        f"{path}: expected a subclass of sprag.QueueService or an instance of one, got "
        f"{what or type(found).__name__}; {_offers(module)}"
    )


def _only(module: ModuleType) -> Found:
    names = _names(module)
    if len(names) != 1:
        raise _wrong(f"{module.__name__}: which queue is meant? {_offers(module)}")
    return _named(module, names[0], names[0])


def _names(module: ModuleType) -> list[str]:
    """The queues that a module defines; those it only imports are not offered."""
    return [
        name
        for name, value in vars(module).items()
        if isinstance(value, QueueService)
        or (_is_queue_class(value) and value.__module__ == module.__name__)
    ]


def _offers(module: ModuleType) -> str:
    names = [f"{module.__name__}:{name}" for name in _names(module)]
    return f"its queues are {', '.join(names)}" if names else "it has no queue"


def _is_queue_class(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, QueueService) and value is not QueueService


def _wrong(message: str) -> Refusal:
    return Refusal(message, kind="usage", code=USAGE)


def _broken(message: str, error: BaseException) -> Refusal:
    told = "".join(traceback.format_exception(type(error), error, _own_frames(error)))
    return Refusal(f"{message}:\n{told.rstrip()}", kind="import_failed")


def _own_frames(error: BaseException) -> TracebackType | None:
    """The traceback from the module's first line on, without Python's import system and us."""
    trace = error.__traceback__
    while trace is not None and (
        trace.tb_frame.f_code.co_filename.startswith("<frozen importlib")
        or trace.tb_frame.f_globals.get("__name__") in (__name__, "importlib")
    ):
        trace = trace.tb_next
    return trace


_MISSING: Final = object()
