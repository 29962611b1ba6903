"""The mistakes in a subclass of QueueService that are reported when the class is defined."""

from __future__ import annotations

import dataclasses
import inspect
import os
from collections.abc import Iterator, Mapping
from datetime import timedelta
from difflib import get_close_matches
from functools import partialmethod
from types import CodeType, FunctionType
from typing import Any, Final

from . import standing, tasks
from .backoff import Backoff
from .errors import ConfigurationError, shown
from .options import OPTIONS, checked
from .schedules import schedules_of

# What an option looks like that was misspelt or comes from another queue. Tables, functions and
# whatever else a class may hold are its author's.
_PLAIN: Final = (str, int, float, timedelta, os.PathLike, Backoff, type(None))

_LIKENESS: Final = 0.8

# The words that other queues use, by the letters and digits of them.
FOREIGN: Final[Mapping[str, str]] = {
    "concurrency": "worker_count",
    "worker": "worker_count",
    "workers": "worker_count",
    "maxworkers": "worker_count",
    "numworkers": "worker_count",
    "nworkers": "worker_count",
    "maxconcurrency": "worker_count",
    "threads": "worker_count",
    "maxthreads": "worker_count",
    "poolsize": "worker_count",
    "parallelism": "worker_count",
    "retries": "max_attempts",
    "maxretries": "max_attempts",
    "numretries": "max_attempts",
    "retrycount": "max_attempts",
    "retrylimit": "max_attempts",
    "retry": "max_attempts",
    "tries": "max_attempts",
    "maxtries": "max_attempts",
    "attempts": "max_attempts",
    "retrydelay": "backoff",
    "retrybackoff": "backoff",
    "retryin": "backoff",
    "jobtimeout": "time_limit",
    "tasktimelimit": "time_limit",
    "softtimelimit": "time_limit",
    "maxruntime": "time_limit",
    "autoretryfor": "retry_on",
    "retryfor": "retry_on",
    "retryexceptions": "retry_on",
    "dontautoretryfor": "fail_on",
    "dontretryon": "fail_on",
    "throws": "fail_on",
    "defaultretrydelay": "backoff",
    "queue": "name",
    "queuename": "name",
    "db": "database",
    "dbpath": "database",
    "databasepath": "database",
    "databasefile": "database",
    "databaseurl": "database",
    "grace": "grace_seconds",
    "gracetime": "grace_seconds",
    "maxsize": "max_queued",
    "maxlength": "max_queued",
    "maxpending": "max_queued",
    "queuesize": "max_queued",
    "maxpayload": "max_payload_bytes",
    "shutdowntimeout": "grace_seconds",
    "stoptimeout": "grace_seconds",
    "busytimeout": "busy_seconds",
}


def check(cls: type, base: type) -> None:
    """Refuse a subclass of `base` that cannot work, or whose author was misunderstood."""
    tasks.check(cls, reserved(base) | dict.fromkeys(OPTIONS, "an option"))
    _check_methods(cls, base)
    _check_options(cls, base)
    _check_schedules(cls, base)
    _check_spelling(cls, base)


def reserved(base: type) -> dict[str, str]:
    """The public names of a queue that are not options, and what each is."""
    return {
        name: "a property" if isinstance(value, property) else "a method"
        for part in reversed(base.__mro__)
        for name, value in vars(part).items()
        if not name.startswith("_") and name not in OPTIONS
    }


def is_method(value: object) -> bool:
    """True if a class's attribute can stand for a method."""
    return isinstance(value, staticmethod | classmethod | partialmethod) or (
        callable(value) and not isinstance(value, type)
    )


def refusal(cls: type, name: str, kind: str, value: object) -> ConfigurationError:
    """The error for an attribute that would hide a method or property of every queue."""
    return ConfigurationError(
        f"{cls.__name__}.{name}: {name!r} is {kind} of every QueueService, which "
        f"{shown(value)} would hide; give the attribute another name"
    )


def says(queue: object, base: type, option: str) -> bool:
    """True if the object or a subclass of `base` has the option, not only `base` itself."""
    return option in vars(queue) or _found(type(queue), base, option)[0]


def _own(cls: type, base: type) -> Iterator[Mapping[str, Any]]:
    """The namespaces that come before that of `base`: its subclasses' and those of mixins."""
    for kind in cls.__mro__:
        if kind is base:
            return
        yield vars(kind)


def _found(cls: type, base: type, name: str) -> tuple[bool, Any]:
    for namespace in _own(cls, base):
        if name in namespace:
            return True, namespace[name]
    return False, None


def _check_methods(cls: type, base: type) -> None:
    for name, kind in reserved(base).items():
        found, value = _found(cls, base, name)
        fits = hasattr(value, "__get__") if kind == "a property" else is_method(value)
        if found and not fits:
            raise refusal(cls, name, kind, value)
    _check_hook(cls, base)


def _check_hook(cls: type, base: type) -> None:
    """Refuse an `on_failure` that could not be called, which would be found out too late."""
    _, hook = _found(cls, base, "on_failure")
    if isinstance(hook, FunctionType):
        signature = inspect.signature(hook)
        try:
            signature.bind(None, None, None)
        except TypeError as error:
            raise ConfigurationError(
                f"{cls.__name__}.on_failure: expected a method that takes the job and its error, "
                f"`def on_failure(self, job, error)`; got {signature}"
            ) from error


def _check_options(cls: type, base: type) -> None:
    for name in OPTIONS:
        found, value = _found(cls, base, name)
        if not found or _is_known_later(value) or (name == "name" and value == ""):
            continue
        checked(cls.__name__, name, value)


def _check_schedules(cls: type, base: type) -> None:
    found, value = _found(cls, base, "schedules")
    known = found and not _is_known_later(value)
    schedules = schedules_of(f"{cls.__name__}.schedules", value) if known else ()
    handles, _ = _found(cls, base, "handle_item")
    standing.check(cls, schedules, tasks.tasks_of(cls), handles=handles)


def _is_known_later(value: object) -> bool:
    """True if only an object of the class has the value: properties, slots, dataclass fields."""
    if isinstance(value, FunctionType):
        return False
    return hasattr(type(value), "__get__") or isinstance(value, dataclasses.Field)


def _check_spelling(cls: type, base: type) -> None:
    for kind in cls.__mro__:
        # What derives from `base` was checked when it was defined; what it derives from is ours.
        if kind is cls or not (issubclass(kind, base) or issubclass(base, kind)):
            _check_spelling_of(kind, cls)


def _check_spelling_of(kind: type, cls: type) -> None:
    for name, value in vars(kind).items():
        if name.startswith("_") or name in OPTIONS or not isinstance(value, _PLAIN):
            continue
        meant = meant_by(name)
        if meant is not None and not _reads(cls, name):
            of = "" if kind is cls else f" (of {kind.__name__})"
            raise ConfigurationError(
                f"{cls.__name__}.{name}{of}: a queue has no such option, and nothing in the class "
                f"reads it; did you mean {meant!r}? An attribute of your own needs a name that is "
                "less like an option, or a leading underscore"
            )


def meant_by(name: str) -> str | None:
    """The option that was meant by a word that is none: misspelt, or another queue's word."""
    squeezed = _squeezed(name)
    if squeezed in FOREIGN:
        return FOREIGN[squeezed]
    likely = {_squeezed(option): option for option in OPTIONS}
    close = get_close_matches(squeezed, likely, 1, _LIKENESS)
    return likely[close[0]] if close else None


def _squeezed(name: str) -> str:
    return name.replace("_", "").lower()


def _reads(cls: type, name: str) -> bool:
    """True if a function of the class mentions the name: then it is the author's own."""
    pending: list[CodeType] = []
    for kind in cls.__mro__:
        for value in vars(kind).values():
            inner = value.fget if isinstance(value, property) else value
            inner = getattr(inner, "__func__", inner)  # of a staticmethod or classmethod
            inner = inner.function if isinstance(inner, tasks.TaskDefinition) else inner
            ours = str(getattr(inner, "__module__", "")).partition(".")[0] == "sprag"
            if isinstance(inner, FunctionType) and not ours:
                pending.append(inner.__code__)
    while pending:
        code = pending.pop()
        if name in code.co_names or name in code.co_consts:
            return True
        pending += [const for const in code.co_consts if isinstance(const, CodeType)]
    return False
