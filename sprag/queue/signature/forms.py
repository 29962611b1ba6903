"""The form of an annotation: how its values are stored, and made again."""

from __future__ import annotations

import collections.abc
import dataclasses
import functools
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Union, get_args, get_origin

from ..errors import PayloadError, shown
from ..payload.encoding import check_beside
from .annotations import of_class
from .containers import fixed_tuple, later, mapping, read_by, series, union, written
from .models import (
    ANYTHING,
    Form,
    check_again,
    is_model,
    is_named_tuple,
    model,
    refused,
)

_WRAPPERS: Final = frozenset(
    getattr(typing, name)
    for name in ("Annotated", "Required", "NotRequired", "ReadOnly", "Final")
    if hasattr(typing, name)
)


def form_of(annotation: Any) -> Form:
    """The form of the values of an annotation; `ANYTHING` for what says nothing of them."""
    try:
        hash(annotation)
    except TypeError:
        return ANYTHING
    return _form_of(annotation)


@functools.cache
def _form_of(annotation: Any) -> Form:
    origin, args = get_origin(annotation), get_args(annotation)
    inner = _unwrapped(annotation, origin, args)
    if inner is not annotation:
        return form_of(inner)
    if hasattr(annotation, "__value__"):  # the `type` statement; it may contain itself
        return later(lambda: form_of(annotation.__value__))
    if origin is Union or origin is types.UnionType:
        return union(annotation, [form_of(each) for each in args])
    if origin is tuple and args and args[-1] is not Ellipsis:
        return fixed_tuple(annotation, [form_of(each) for each in args])
    if getattr(origin, "__module__", "") in ("builtins", "collections", "collections.abc"):
        if issubclass(origin, collections.abc.Mapping) and len(args) == 2:
            return mapping(form_of(args[0]), form_of(args[1]))
        if issubclass(origin, collections.abc.Iterable) and len(args) <= 2:
            return series(origin, form_of(args[0]))
        return ANYTHING
    kind = origin if origin is not None else annotation
    return _class(kind) if isinstance(kind, type) else ANYTHING


def _unwrapped(annotation: Any, origin: Any, args: tuple[Any, ...]) -> Any:
    """What stands inside of an annotation that adds only a remark."""
    if origin in _WRAPPERS:
        return args[0]
    if isinstance(annotation, typing.NewType):
        return annotation.__supertype__
    if origin is typing.Literal:
        return Union[tuple({type(value): None for value in args})]  # noqa: UP007  # of so many
    return annotation


def _class(kind: Any) -> Form:
    if is_named_tuple(kind):
        return _named_tuple(kind)
    known = model(kind)
    if known is not None:
        return known
    if _is_typed_dict(kind):
        return _typed_dict(kind)
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind)
    if kind in (object, Any) or getattr(kind, "_is_protocol", False):
        return ANYTHING
    kinds = (int, float) if kind is float else kind
    return Form(lambda value: isinstance(value, kinds))


def _is_typed_dict(kind: type) -> bool:
    return issubclass(kind, dict) and hasattr(kind, "__required_keys__")


def _has_models(annotation: Any, seen: set[Any]) -> bool:
    """True if values of the annotation may hold what the codec does not store."""
    try:
        if annotation in seen:
            return False
        seen.add(annotation)
    except TypeError:  # it cannot be hashed
        return False
    origin, args = get_origin(annotation), get_args(annotation)
    inner = getattr(_unwrapped(annotation, origin, args), "__value__", None)
    if inner is None:
        inner = _unwrapped(annotation, origin, args)
    if inner is not annotation:
        return _has_models(inner, seen)
    if any(_has_models(each, seen) for each in args):
        return True
    kind = origin if origin is not None else annotation
    if not isinstance(kind, type):
        return False
    if is_model(kind):
        return True
    if _is_typed_dict(kind) or dataclasses.is_dataclass(kind):
        return any(_has_models(each, seen) for each in of_class(kind).values())
    return False


# ---------------------------------------------------------------- classes with fields


def _named_tuple(kind: Any) -> Form:
    forms = functools.cache(lambda: _forms_of(kind, kind._fields))

    def read(value: Any, path: str) -> Any:
        if isinstance(value, kind):
            return value
        if type(value) not in (list, tuple):
            raise refused(path, f"a {kind.__name__}", value)
        try:
            return kind(*(
                read_by(form, entry, f"{path}.{name}")
                for (name, form), entry in zip(forms().items(), value, strict=False)
            ), *value[len(forms()) :])  # fmt: skip
        except TypeError as error:
            raise refused(path, f"a {kind.__name__}", value) from error

    def write(value: Any, path: str) -> Any:
        if type(value) is not kind:
            return value
        pairs = zip(forms().items(), value, strict=True)
        return [written(form, entry, f"{path}.{name}") for (name, form), entry in pairs]

    return Form(lambda value: isinstance(value, kind), read, write)


def _forms_of(kind: type, names: Iterable[str]) -> dict[str, Form]:
    hints = of_class(kind)
    return {name: form_of(hints.get(name, Any)) for name in names}


def _typed_dict(kind: Any) -> Form:
    hints = functools.cache(lambda: of_class(kind))
    forms = functools.cache(lambda: _forms_of(kind, hints()))
    required = functools.cache(lambda: _required(kind, hints()))

    def convert(value: Any, path: str, how: Callable[[Form, Any, str], Any]) -> Any:
        if type(value) is not dict:
            raise refused(path, f"a dict with the keys of {kind.__name__}", value)
        missing = sorted(required() - value.keys())
        if missing:
            raise refused(path, f"a {kind.__name__} with the key {missing[0]!r}", value)
        return {
            k: how(forms().get(k, ANYTHING), v, f"{path}[{shown(k)}]") for k, v in value.items()
        }

    return Form(
        lambda value: isinstance(value, dict),
        lambda value, path: convert(value, path, read_by),
        (lambda value, path: convert(value, path, written)) if _has_models(kind, set()) else None,
    )


def _required(kind: Any, hints: Mapping[str, Any]) -> frozenset[str]:
    # The class itself does not see what is said in annotations that are text.
    said = {name: getattr(get_origin(hint), "_name", "") for name, hint in hints.items()}
    left_out = {name for name, word in said.items() if word == "NotRequired"}
    needed = {name for name, word in said.items() if word == "Required"}
    required: frozenset[str] = kind.__required_keys__
    return (required | needed) - left_out


def _dataclass(kind: Any) -> Form:
    fields = {field.name: field for field in dataclasses.fields(kind)}
    forms = functools.cache(lambda: _forms_of(kind, fields))

    def read(value: Any, path: str) -> Any:
        if isinstance(value, kind):
            return value
        if type(value) is not dict:
            raise refused(path, f"a {kind.__name__}", value)
        for name in value:
            if name not in fields:
                raise PayloadError(f"{path} has {shown(name)}, which {kind.__name__} lacks", path)
        own = {
            name: read_by(forms()[name], entry, f"{path}.{name}") for name, entry in value.items()
        }
        try:
            made = kind(**{name: entry for name, entry in own.items() if fields[name].init})
            for name, entry in own.items():
                object.__setattr__(made, name, entry)  # past a frozen class's guard
        except Exception as error:
            raise PayloadError(f"{path} is not a valid {kind.__name__}: {error}", path) from error
        return made

    def write(value: Any, path: str) -> Any:
        if type(value) is not kind:
            return value
        stored = {}
        for name, form in forms().items():
            where = f"{path}.{name}"
            if not hasattr(value, name):
                raise PayloadError(f"{where} was never set, or cannot be read", where)
            stored[name] = written(form, getattr(value, name), where)
        again = read(stored, path)
        check_again(value, again, path)
        check_beside(value, again, path)
        return stored

    special = _has_models(kind, set())
    return Form(lambda value: isinstance(value, kind), read, write if special else None)
