"""From the values that are enqueued to JSON with tags, and what is refused."""

from __future__ import annotations

import base64
import dataclasses
import json
import math
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PosixPath, PurePath, PurePosixPath, PureWindowsPath, WindowsPath
from typing import Any, Final
from uuid import UUID

from ..errors import PayloadError, shown
from .classes import attributes_beside, has_content, name_of, takes_its_fields
from .decoding import restored_dataclass
from .times import written as written_time

MAX_DEPTH: Final = 100
TOO_DEEP: Final = f"more than {MAX_DEPTH} levels of nesting"
"""What is said wherever something is nested too deeply."""

_ATOMS: Final = frozenset({str, int, bool, type(None)})
_MISSING: Final = object()


class TooDeep(PayloadError):
    """A value that is nested too deeply, or without end."""


def tagged(value: object, path: str, depth: int = MAX_DEPTH) -> object:
    """`value` with every tagged type replaced by its object.

    Raises PayloadError for what has no form, and TooDeep beyond `depth`.
    """
    kind = type(value)
    if kind in _ATOMS:
        return value
    if kind is float and isinstance(value, float):
        if not math.isfinite(value):
            raise PayloadError(f"{path} is {shown(value)}, which JSON cannot express", path)
        return value
    if depth <= 0:
        raise TooDeep(f"{path} has {TOO_DEEP}", path)
    if kind is dict and isinstance(value, dict):
        return _tagged_dict(value, path, depth)
    if kind is list and isinstance(value, list):
        return [tagged(entry, f"{path}[{n}]", depth - 1) for n, entry in enumerate(value)]
    writer = _WRITERS.get(kind)
    if writer is not None:
        tag, write = writer
        try:
            content = write(value)
        except ValueError as error:
            raise PayloadError(f"{path} cannot be stored: {error}", path) from error
        if isinstance(content, list):
            content = [tagged(x, f"{path}[{n}]", depth - 1) for n, x in enumerate(content)]
            if writer is _WRITERS[set] or writer is _WRITERS[frozenset]:
                # By what is stored: what a set inside of it looks like changes from run to run.
                content.sort(key=json.dumps)
        return {tag: content}
    if dataclasses.is_dataclass(kind) and not has_content(kind):
        return _tagged_dataclass(value, path, depth)
    raise PayloadError(
        f"{path} is of type {kind.__module__}.{kind.__qualname__}, which cannot be stored: "
        "expected JSON types, tuple, set, bytes, datetime, date, time, timedelta, Decimal, UUID, "
        f"Path or a dataclass{_remedy(kind)}",
        path,
    )


def _remedy(kind: type) -> str:
    # Of the class: to ask a value for its own may run code of its author.
    if issubclass(kind, Enum):
        return ". Store its .name or .value"
    if issubclass(kind, BaseException):
        return ". Store its text or its fields"
    if issubclass(kind, bytearray | memoryview):
        return ". Convert it to bytes first"
    if hasattr(kind, "tolist"):  # numpy's scalars and arrays, pandas' columns
        return ". Convert it first, for example with .tolist()"
    base = next((base for base in _STORED if issubclass(kind, base)), None)
    if base is None:
        return ""
    return f". It would come back as a plain {base.__name__}: convert it to one first"


def _tagged_dict(value: dict[Any, Any], path: str, depth: int) -> object:
    if all(type(key) is str and key[:1] != "$" for key in value):
        return {k: tagged(v, f"{path}[{shown(k)}]", depth - 1) for k, v in value.items()}
    return {
        "$dict": [
            [
                tagged(k, f"key {shown(k)} of {path}", depth - 1),
                tagged(v, f"{path}[{shown(k)}]", depth - 1),
            ]
            for k, v in value.items()
        ]
    }


def _tagged_dataclass(value: Any, path: str, depth: int) -> object:
    kind = type(value)
    try:
        name = name_of(kind)
    except ValueError as error:
        raise PayloadError(
            f"{path} is of dataclass {kind.__module__}:{kind.__qualname__}, which cannot be found "
            f"again: {error}",
            path,
        ) from error
    fields = {}
    for field in dataclasses.fields(value):
        where = f"{path}.{field.name}"
        try:
            entry = getattr(value, field.name)
        except AttributeError as error:
            raise PayloadError(
                f"{where} was never set, or cannot be read: {error}", where
            ) from error
        fields[field.name] = tagged(entry, where, depth - 1)
    written = {"$dataclass": name, "fields": fields}
    made: object = None
    if not takes_its_fields(kind):  # type: ignore[arg-type]  # mypy doubts that classes have hashes
        # Whether its constructor takes what it made of them itself is seen now, by making one.
        made = restored_dataclass(written, path)
    check_beside(value, made, path)
    return written


def check_beside(value: object, made: object, path: str) -> None:
    """Refuse a dataclass with something beside its fields that its constructor does not make."""
    for name, own in attributes_beside(value).items():
        again = attributes_beside(made).get(name, _MISSING)
        if again is _MISSING or not is_alike(own, again):
            end = "be lost" if again is _MISSING else f"come back as {shown(again)}"
            raise PayloadError(
                f"{path}.{name} is not a field of dataclass {type(value).__qualname__}, and would "
                f"{end}: make it a field, or remove it before",
                f"{path}.{name}",
            )


def is_alike(one: object, other: object) -> bool:
    """True if two values hold the same; of what cannot be compared, such as a lock, if both are of
    one type."""
    return _is_like(one, other, set())


def _is_like(one: Any, other: Any, seen: set[tuple[int, int]]) -> bool:
    kind: Any = type(one)
    if one is other or (id(one), id(other)) in seen:
        return True
    if type(other) is not kind:
        return False
    seen.add((id(one), id(other)))
    if kind in (list, tuple):
        return len(one) == len(other) and all(
            _is_like(*pair, seen) for pair in zip(one, other, strict=True)
        )
    if kind is dict:
        return one.keys() == other.keys() and all(
            _is_like(entry, other[key], seen) for key, entry in one.items()
        )
    if dataclasses.is_dataclass(kind):
        names = [field.name for field in dataclasses.fields(kind)]
        return all(
            _is_like(getattr(one, n, _MISSING), getattr(other, n, _MISSING), seen) for n in names
        )
    equal: Any = kind.__eq__
    if equal is object.__eq__:
        return not issubclass(kind, Enum)
    try:
        return bool(one == other) or repr(one) == repr(other) == "nan"
    except Exception:  # noqa: BLE001  # a comparison may raise anything: then they may differ
        return False


def _bytes_text(value: Any) -> str:
    return base64.b64encode(value).decode("ascii")


_WRITERS: Final[dict[type, tuple[str, Callable[[Any], object]]]] = {
    tuple: ("$tuple", list),
    set: ("$set", list),
    frozenset: ("$frozenset", list),
    bytes: ("$bytes", _bytes_text),
    datetime: ("$datetime", written_time),
    date: ("$date", date.isoformat),
    time: ("$time", written_time),
    timedelta: ("$timedelta", lambda value: [value.days, value.seconds, value.microseconds]),
    Decimal: ("$decimal", str),
    UUID: ("$uuid", str),
    PosixPath: ("$path", str),
    WindowsPath: ("$path", str),
    PurePosixPath: ("$posixpath", str),
    PureWindowsPath: ("$windowspath", str),
}

# Types that are stored and that others may derive from.
_STORED: Final = (
    str, int, float, bytes, list, tuple, dict, set, frozenset, datetime, date, time, timedelta,
    Decimal, UUID, PurePath,
)  # fmt: skip
