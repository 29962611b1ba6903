"""Classes whose objects are stored by what an annotation says: enums, named tuples, the models of
pydantic and msgspec; and plain types that JSON from other programs has as text or lists."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any, Final, NamedTuple
from uuid import UUID

from ..errors import PayloadError, shown
from ..payload.encoding import is_alike

Convert = Callable[[Any, str], Any]
"""Takes a value and its path; raises PayloadError."""


class Form(NamedTuple):
    """How values of an annotation are stored, and made again.

    `holds` says if a value is one already. `read` makes one of what was stored, by this program or
    another, and of what a caller gave; `write` makes of one what the codec stores. None: as it is.
    """

    holds: Callable[[Any], bool]
    read: Convert | None = None
    write: Convert | None = None


ANYTHING: Final = Form(lambda value: True)


def is_model(kind: type) -> bool:
    """True if the codec cannot store objects of the class, and its form can."""
    return (
        issubclass(kind, Enum)
        or is_named_tuple(kind)
        or _is_of(kind, "pydantic", "BaseModel")
        or _is_of(kind, "msgspec", "Struct")
    )


def is_named_tuple(kind: type) -> bool:
    """True for a class made by NamedTuple or namedtuple."""
    return issubclass(kind, tuple) and hasattr(kind, "_fields") and hasattr(kind, "_make")


def model(kind: type) -> Form | None:
    """The form of an enum or a model, or of a type that JSON has as text; None for others."""
    if issubclass(kind, Enum):
        return _enum(kind)
    if _is_of(kind, "pydantic", "BaseModel"):
        return _pydantic(kind)
    if _is_of(kind, "msgspec", "Struct"):
        return _struct(kind)
    for base, reader in _TEXTS.items():
        if kind is base or (base is PurePath and issubclass(kind, PurePath)):
            return _from_json(kind, reader or kind)
    if kind in (tuple, set, frozenset):
        return Form(lambda value: isinstance(value, kind), listed_as(kind))
    return None


def refused(path: str, expected: str, value: object) -> PayloadError:
    """The error for a value that its annotation does not allow."""
    return PayloadError(f"{path}: expected {expected}, got {shown(value)}", path)


def listed_as(kind: Any) -> Convert:
    """What makes a tuple or set of a list, and leaves all else."""
    return lambda value, _path: kind(value) if type(value) is list else value


def check_again(value: object, again: object, path: str) -> None:
    """Refuse a value that would come back as something else."""
    if not is_alike(value, again):
        raise PayloadError(
            f"{path} is {shown(value)}, and would come back as {shown(again)}: expected what its "
            "annotation stores completely",
            path,
        )


# ---------------------------------------------------------------- each of them


def _is_of(kind: type, module: str, name: str) -> bool:
    # Who has made a subclass has imported the library.
    base = getattr(sys.modules.get(module), name, None)
    return isinstance(base, type) and issubclass(kind, base)


def _enum(kind: type[Enum]) -> Form:
    def read(value: Any, path: str) -> Any:
        if isinstance(value, kind):
            return value
        try:
            return kind(value)
        except Exception as error:
            names = ", ".join(shown(member.value) for member in kind)
            raise refused(path, f"a {kind.__name__} ({names})", value) from error

    def write(value: Any, path: str) -> Any:
        if not isinstance(value, kind):
            return value
        check_again(value, read(value.value, path), path)
        return value.value

    return Form(lambda value: isinstance(value, kind), read, write)


def _pydantic(kind: Any) -> Form:
    def read(value: Any, path: str) -> Any:
        if isinstance(value, kind):
            return value
        try:
            text = json.dumps(value)
        except (TypeError, ValueError):  # given by a caller, with objects inside
            text = None
        try:
            return kind.model_validate(value) if text is None else kind.model_validate_json(text)
        except Exception as error:
            raise PayloadError(f"{path} is not a valid {kind.__name__}: {error}", path) from error

    def write(value: Any, path: str) -> Any:
        if not isinstance(value, kind):
            return value
        try:
            written = value.model_dump(mode="json", by_alias=True, round_trip=True)
            again = kind.model_validate_json(json.dumps(written))
        except Exception as error:
            raise _unwritten(kind, path, error) from error
        check_again(value, again, path)
        return written

    return Form(lambda value: isinstance(value, kind), read, write)


def _struct(kind: Any) -> Form:
    msgspec = sys.modules["msgspec"]

    def read(value: Any, path: str) -> Any:
        if isinstance(value, kind):
            return value
        try:
            return msgspec.convert(value, kind, str_keys=True)
        except Exception as error:
            raise PayloadError(f"{path} is not a valid {kind.__name__}: {error}", path) from error

    def write(value: Any, path: str) -> Any:
        if not isinstance(value, kind):
            return value
        try:
            written = msgspec.to_builtins(value, str_keys=True)
            again = msgspec.convert(written, kind, str_keys=True)
            rewritten = msgspec.to_builtins(again, str_keys=True)
        except Exception as error:
            raise _unwritten(kind, path, error) from error
        if kind.__struct_config__.eq or type(value) is not kind:
            check_again(value, again, path)
        check_again(written, rewritten, path)  # one without an __eq__ is alike if this is
        return written

    return Form(lambda value: isinstance(value, kind), read, write)


def _unwritten(kind: type, path: str, error: Exception) -> PayloadError:
    return PayloadError(f"{path} is a {kind.__name__} that cannot be stored: {error}", path)


def _seconds(value: Any) -> timedelta:
    return timedelta(seconds=value)


_TEXTS: Final[dict[type, Callable[[Any], Any] | None]] = {
    datetime: datetime.fromisoformat,
    date: date.fromisoformat,
    time: time.fromisoformat,
    timedelta: _seconds,
    Decimal: Decimal,
    UUID: UUID,
    PurePath: None,
}
"""The types that JSON lacks, and what makes one of the JSON that other programs write."""


def _from_json(kind: type, reader: Callable[[Any], Any]) -> Form:
    plain = (int, float) if kind is timedelta else (int, str) if kind is Decimal else (str,)

    def read(value: Any, path: str) -> Any:
        if isinstance(value, kind):
            return value
        if type(value) not in plain:
            raise refused(path, f"a {kind.__name__}", value)
        try:
            return reader(value)
        except (ValueError, ArithmeticError) as error:
            raise refused(path, f"a {kind.__name__}", value) from error

    return Form(lambda value: isinstance(value, kind), read)
