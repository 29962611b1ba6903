"""Payloads as JSON text that the sqlite3 shell can read, and back as they went in.

Plain JSON values are stored as they are. A tuple, set, frozenset, bytes,
datetime, date, time, timedelta, Decimal, UUID, Path, a dict with keys that are
not text, or a dataclass becomes an object with one key that starts with "$":
`{"$tuple": [800, 600]}`. A dict that has such a key itself is stored as
`{"$dict": [[key, value], …]}`, so no data from outside can be taken for a tag.
Anything else is refused with the path of the offending value, subclasses of these
types too: they would come back as something else. Never pickle.

A dataclass is looked up in the modules that are imported already: stored data
never makes Python import anything.
"""

from __future__ import annotations

import base64
import dataclasses
import functools
import inspect
import json
import math
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path, PosixPath, PurePath, PurePosixPath, PureWindowsPath, WindowsPath
from typing import Any, Final
from uuid import UUID

from .classes import found, name_of
from .errors import PayloadError, PayloadTooLarge, shown
from .times import read_datetime, read_time, written

MAX_DEPTH: Final = 100

_from_json: Final = json.JSONDecoder().decode
_ATOMS: Final = frozenset({str, int, bool, type(None)})
_to_json: Final = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")
).encode


def encode(value: object, limit: int, root: str = "item") -> str:
    """`value` as JSON text of at most `limit` bytes in UTF-8.

    `root` names the value in errors. Raises PayloadError with the path of what
    cannot be stored, PayloadTooLarge above the limit.
    """
    if value is None:
        return "null"  # what most handlers return
    try:
        text = _to_json(value if _is_plain(value, MAX_DEPTH) else _tagged(value, root, MAX_DEPTH))
    except ValueError as error:
        # An int of more digits than Python converts to text (sys.set_int_max_str_digits).
        raise PayloadError(f"{root} cannot be stored: {error}", root) from error
    # The size is counted only where it can matter: UTF-8 takes at most 3 bytes a character
    # of the Basic Multilingual Plane and 4 of the others.
    if text.isascii():
        size = len(text)
    else:
        try:
            size = len(text.encode())
        except UnicodeEncodeError:
            # Valid text is the common case, so what is wrong, and where, is found only now.
            path = _surrogate_path(value, root)
            raise PayloadError(
                f"{path} cannot be stored: it has a lone surrogate, which is not valid text", path
            ) from None
    if size > limit:
        raise PayloadTooLarge(root, size, limit)
    return text


def decode(text: str | bytes) -> Any:
    """The value that `encode` was given; as bytes, the text is UTF-8.

    Raises PayloadError if the text is not JSON, if it names a dataclass that is not
    imported or has changed beyond what its defaults can fill in, or a time zone that
    this machine does not know.
    """
    try:
        if isinstance(text, bytes):
            text = text.decode()
        value = _from_json(text) if text != "null" else None
    except (ValueError, RecursionError) as error:
        raise PayloadError(f"the stored payload is not JSON: {error}", "") from error
    try:
        # Only tagged objects need work, and they cannot hide: a tag is text with a "$".
        return _restored(value, "payload") if '"$' in text else value
    except RecursionError as error:
        raise PayloadError(f"the stored payload is nested too deeply: {error}", "") from error


def same(one: str, other: str) -> bool:
    """True if two texts that `encode` made hold the same value, in any order of keys."""
    try:
        return one == other or _sorted(one) == _sorted(other)
    except (ValueError, RecursionError):  # another program's: too deep, or too long a number
        return False


def _sorted(text: str) -> str:
    return json.dumps(_from_json(text), sort_keys=True)


# ---------------------------------------------------------------- encoding


def _is_plain(value: object, depth: int) -> bool:
    """True if the C encoder stores `value` faithfully by itself: exact JSON types, text keys."""
    kind = type(value)
    if kind in _ATOMS:
        return True
    if kind is float:
        return math.isfinite(value)  # type: ignore[arg-type]  # `kind` says it is a float
    if depth <= 0:
        return False
    if kind is dict:
        for key, entry in value.items():  # type: ignore[attr-defined]  # a dict, by `kind`
            if type(key) is not str or key[:1] == "$":
                return False
            if type(entry) not in _ATOMS and not _is_plain(entry, depth - 1):
                return False
        return True
    if kind is list:
        for entry in value:  # type: ignore[attr-defined]  # a list, by `kind`
            if type(entry) not in _ATOMS and not _is_plain(entry, depth - 1):
                return False
        return True
    return False


def _tagged(value: object, path: str, depth: int) -> object:
    """`value` with every tagged type replaced by its object; refuses what has no form."""
    kind = type(value)
    if kind in _ATOMS:
        return value
    if kind is float and isinstance(value, float):
        if not math.isfinite(value):
            raise PayloadError(f"{path} is {shown(value)}, which JSON cannot express", path)
        return value
    if depth <= 0:
        raise PayloadError(f"{path} is nested more than {MAX_DEPTH} deep", path)
    if kind is dict and isinstance(value, dict):
        return _tagged_dict(value, path, depth)
    if kind is list and isinstance(value, list):
        return [_tagged(entry, f"{path}[{n}]", depth - 1) for n, entry in enumerate(value)]
    writer = _WRITERS.get(kind)
    if writer is not None:
        tag, write = writer
        try:
            content = write(value)
        except ValueError as error:
            raise PayloadError(f"{path} cannot be stored: {error}", path) from error
        if isinstance(content, list):
            content = [_tagged(x, f"{path}[{n}]", depth - 1) for n, x in enumerate(content)]
            if writer is _WRITERS[set] or writer is _WRITERS[frozenset]:
                # By what is stored: what a set inside of it looks like changes from run to run.
                content.sort(key=json.dumps)
        return {tag: content}
    if dataclasses.is_dataclass(kind) and not issubclass(kind, _WHOLE):
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
        return {k: _tagged(v, f"{path}[{shown(k)}]", depth - 1) for k, v in value.items()}
    return {
        "$dict": [
            [
                _tagged(k, f"key {shown(k)} of {path}", depth - 1),
                _tagged(v, f"{path}[{shown(k)}]", depth - 1),
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
        fields[field.name] = _tagged(entry, where, depth - 1)
    tagged = {"$dataclass": name, "fields": fields}
    if not _takes_its_fields(kind):  # type: ignore[arg-type]  # mypy doubts that classes have hashes
        # Whether its constructor takes what it made of them itself is seen now, by making one.
        _restored_dataclass(tagged, path)
    return tagged


@functools.cache
def _takes_its_fields(kind: Any) -> bool:
    """True if a dataclass's constructor takes its fields, and nothing else, and only keeps them."""
    names = {field.name for field in dataclasses.fields(kind)}
    if (
        hasattr(kind, "__post_init__")
        or type(kind) is not type
        or any(isinstance(inspect.getattr_static(kind, name, None), property) for name in names)
    ):
        return False
    try:
        taken = inspect.signature(kind).parameters.keys()
    except (TypeError, ValueError):
        return False
    return taken == {field.name for field in dataclasses.fields(kind) if field.init}


def _surrogate_path(value: object, path: str) -> str:
    """The path of the text with a lone surrogate, as far as it can be followed."""

    def bad(text: object) -> bool:
        text = str(text) if isinstance(text, PurePath) else text
        return isinstance(text, str) and any("\ud800" <= char <= "\udfff" for char in text)

    entries: list[tuple[str, object]] = []
    if isinstance(value, dict):
        for key, entry in value.items():
            if bad(key):
                return f"key {shown(key)} of {path}"
            entries.append((f"{path}[{shown(key)}]", entry))
    elif isinstance(value, list | tuple):
        entries = [(f"{path}[{n}]", entry) for n, entry in enumerate(value)]
    elif dataclasses.is_dataclass(value):
        entries = [
            (f"{path}.{field.name}", getattr(value, field.name))
            for field in dataclasses.fields(value)
        ]
    for where, entry in entries:
        if bad(entry):
            return where
        deeper = _surrogate_path(entry, where)
        if deeper != where:
            return deeper
    return path


def _bytes_text(value: Any) -> str:
    return base64.b64encode(value).decode("ascii")


_WRITERS: Final[dict[type, tuple[str, Callable[[Any], object]]]] = {
    tuple: ("$tuple", list),
    set: ("$set", list),
    frozenset: ("$frozenset", list),
    bytes: ("$bytes", _bytes_text),
    datetime: ("$datetime", written),
    date: ("$date", date.isoformat),
    time: ("$time", written),
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
# Types with content of their own, which the fields of a dataclass derived from one do not hold.
_WHOLE: Final = (Enum, complex, bytearray, *_STORED)


# ---------------------------------------------------------------- decoding


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


def _restored(value: Any, path: str) -> Any:
    if isinstance(value, list):
        return [_restored(entry, f"{path}[{n}]") for n, entry in enumerate(value)]
    if not isinstance(value, dict):
        return value
    tag = next(iter(value), "")
    if tag == "$dataclass":
        return _restored_dataclass(value, path)
    if not tag.startswith("$"):
        return {key: _restored(entry, f"{path}[{shown(key)}]") for key, entry in value.items()}
    reader = _READERS.get(tag)
    if reader is None:
        raise PayloadError(
            f"{path} has the tag {shown(tag)}, which this version does not know", path
        )
    try:
        return reader(_restored(value[tag], path))
    except (TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise PayloadError(f"{path} cannot be made a {tag[1:]} again: {error}", path) from error


def _restored_dataclass(value: dict[str, Any], path: str) -> object:
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
    stored = {key: _restored(entry, f"{path}.{key}") for key, entry in fields.items()}
    known = {field.name: field for field in dataclasses.fields(kind)}
    unknown = sorted(stored.keys() - known.keys())
    if unknown:
        raise PayloadError(
            f"{path} was stored with fields that dataclass {name} no longer has: "
            + ", ".join(unknown),
            path,
        )
    # A constructor that is more than that may change what it is given, such as a list.
    given = stored if _takes_its_fields(kind) else _restored(fields, path)
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
