"""From tagged JSON back to the values that were enqueued."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Final
from uuid import UUID

from ..errors import PayloadError, shown
from .classes import attributes, found, takes_its_fields
from .times import read_datetime, read_time

_READERS: Final[dict[str, Callable[[Any], object]]] = {
    "$tuple": tuple,
    "$set": set,
    "$frozenset": frozenset,
    "$bytes": lambda text: base64.b64decode(text, validate=True),
    "$datetime": read_datetime,
    "$date": date.fromisoformat,
    "$time": read_time,
    "$timedelta": lambda parts: timedelta(*parts),
    "$decimal": Decimal,
    "$uuid": UUID,
    "$path": Path,
    "$posixpath": PurePosixPath,
    "$windowspath": PureWindowsPath,
    "$dict": dict,
}


def restored(value: Any, path: str) -> Any:
    """What was tagged, made again. Raises PayloadError."""
    if isinstance(value, list):
        return [restored(entry, f"{path}[{n}]") for n, entry in enumerate(value)]
    if not isinstance(value, dict):
        return value
    tag = next(iter(value), "")
    if tag == "$dataclass":
        return restored_dataclass(value, path)
    if not tag.startswith("$"):
        return {key: restored(entry, f"{path}[{shown(key)}]") for key, entry in value.items()}
    reader = _READERS.get(tag)
    if reader is None:
        raise PayloadError(
            f"{path} has the tag {shown(tag)}, which this version does not know", path
        )
    try:
        return reader(restored(value[tag], path))
    except (TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise PayloadError(f"{path} cannot be made a {tag[1:]} again: {error}", path) from error


def restored_dataclass(value: dict[str, Any], path: str) -> object:
    """Like `restored`, but of one dataclass."""
    name, fields = value["$dataclass"], value.get("fields", {})
    if not (isinstance(name, str) and isinstance(fields, dict)):
        raise PayloadError(f"{path} is not a valid dataclass", path)
    try:
        kind = found(name)
    except LookupError as error:
        raise PayloadError(
            f"{path} is of dataclass {name}, which is not imported in this process: import its "
            "module before the queue starts",
            path,
        ) from error
    stored = {key: restored(entry, f"{path}.{key}") for key, entry in fields.items()}
    known = {field.name: field for field in dataclasses.fields(kind)}
    unknown = sorted(stored.keys() - known.keys())
    if unknown:
        raise PayloadError(
            f"{path} was stored with fields that dataclass {name} no longer has: "
            + ", ".join(unknown),
            path,
        )
    # A constructor that is more than that may change what it is given, such as a list.
    given = stored if takes_its_fields(kind) else {key: _twin(own) for key, own in stored.items()}
    try:
        made = kind(**{key: entry for key, entry in given.items() if known[key].init})
        for key, entry in stored.items():
            # Past a frozen class's guard: the value comes back as it went in.
            object.__setattr__(made, key, entry)
    except Exception as error:  # a constructor may raise anything
        raise PayloadError(f"{path} cannot be made a {name} again: {shown(error)}", path) from error
    if type(made) is not kind:
        raise PayloadError(f"{path} cannot be made a {name} again: it became {type(made)}", path)
    return made


def _twin(value: Any) -> Any:
    """Another one of what `restored` has made, without a call of any constructor of a user's."""
    kind = type(value)
    if kind in (list, tuple):
        return kind(map(_twin, value))
    if kind is dict:
        return {key: _twin(entry) for key, entry in value.items()}
    if kind is set:
        return set(value)
    if not dataclasses.is_dataclass(kind):
        return value
    twin: object = object.__new__(kind)
    for name, own in attributes(value).items():
        object.__setattr__(twin, name, own)
    for field in dataclasses.fields(kind):
        if hasattr(value, field.name):
            object.__setattr__(twin, field.name, _twin(getattr(value, field.name)))
    return twin
