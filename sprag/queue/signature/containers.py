"""The forms of values that hold others: lists, tuples, sets, dicts; and of one of several forms."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Final

from ..errors import PayloadError, shown
from .models import Convert, Form, check_again, listed_as, refused

_SERIES: Final = (list, tuple, set, frozenset)


def written(form: Form, value: Any, path: str) -> Any:
    """What the codec is to store of a value of this form."""
    return value if form.write is None else form.write(value, path)


def read_by(form: Form, value: Any, path: str) -> Any:
    """The value of this form that was stored so."""
    return value if form.read is None else form.read(value, path)


def later(form: Callable[[], Form]) -> Form:
    """The form of what may contain itself, made when a value comes."""
    return Form(
        lambda value: form().holds(value),
        lambda value, path: read_by(form(), value, path),
        lambda value, path: written(form(), value, path),
    )


def _each(convert: Convert, value: Any, path: str) -> list[Any]:
    return [convert(entry, f"{path}[{number}]") for number, entry in enumerate(value)]


def series(kind: Any, element: Form) -> Form:
    """The form of lists, sets and tuples of any length."""
    whole = listed_as(kind) if kind in _SERIES and kind is not list else None
    if isinstance(kind, type) and not issubclass(list, kind) and whole is None:
        whole = listed_as(set) if issubclass(set, kind) else None
    read, write = element.read, element.write

    def read_all(value: Any, path: str) -> Any:
        if read is not None and type(value) in _SERIES:
            value = _made(type(value), _each(read, value, path))
        return value if whole is None else whole(value, path)

    def write_all(value: Any, path: str) -> Any:
        if type(value) not in _SERIES:
            return value
        return _made(type(value), _each(write, value, path)) if write is not None else value

    return Form(
        lambda value: isinstance(value, kind),
        None if read is None and whole is None else read_all,
        None if write is None else write_all,
    )


def _made(kind: Any, values: list[Any]) -> Any:
    try:
        return kind(values)
    except TypeError:  # a set of models: what each is stored as has no hash
        return sorted(values, key=lambda value: json.dumps(value, default=repr, sort_keys=True))


def fixed_tuple(annotation: Any, forms: Sequence[Form]) -> Form:
    """The form of tuples with one form for each place."""

    def all_of(value: Any, path: str, convert: Callable[[Form, Any, str], Any]) -> Any:
        if len(value) != len(forms):
            raise refused(path, f"{annotation}", value)
        pairs = enumerate(zip(forms, value, strict=True))
        return tuple(convert(form, entry, f"{path}[{n}]") for n, (form, entry) in pairs)

    def read(value: Any, path: str) -> Any:
        return all_of(value, path, read_by) if type(value) in (list, tuple) else value

    def write(value: Any, path: str) -> Any:
        return all_of(value, path, written) if type(value) is tuple else value

    special = any(form.write is not None for form in forms)
    return Form(lambda value: isinstance(value, tuple), read, write if special else None)


def mapping(key: Form, entry: Form) -> Form:
    """The form of dicts."""

    def convert(value: Any, path: str, how: Callable[[Form, Any, str], Any]) -> Any:
        if type(value) is not dict:
            return value
        return {
            how(key, k, f"key {shown(k)} of {path}"): how(entry, v, f"{path}[{shown(k)}]")
            for k, v in value.items()
        }

    reads = key.read is not None or entry.read is not None
    writes = key.write is not None or entry.write is not None
    return Form(
        lambda value: isinstance(value, dict),
        (lambda value, path: convert(value, path, read_by)) if reads else None,
        (lambda value, path: convert(value, path, written)) if writes else None,
    )


def union(annotation: Any, forms: Sequence[Form]) -> Form:
    """The form of values that have one of these forms: the first that holds it."""

    def read(value: Any, path: str) -> Any:
        for form in forms:
            if form.holds(value):
                return read_by(form, value, path)
        for form in forms:
            if form.read is not None:
                try:
                    made = form.read(value, path)
                except PayloadError:
                    continue
                if form.holds(made):
                    return made
        raise refused(path, f"{annotation}", value)

    def write(value: Any, path: str) -> Any:
        for form in forms:
            if form.holds(value):
                stored = written(form, value, path)
                check_again(value, read(stored, path), path)
                return stored
        return value

    return Form(
        lambda value: any(form.holds(value) for form in forms),
        None if all(form.read is None for form in forms) else read,
        None if all(form.write is None for form in forms) else write,
    )
