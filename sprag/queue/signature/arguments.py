"""The arguments of a task: bound to its signature, stored in a job's item, and taken out again.

A job's item has them by name, those that were given only: `{"order_id": 42, "lang": "de"}`. What
`*rest` and `**more` collect is under these names, with the asterisks.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from types import NoneType
from typing import Any, Final

from ..errors import ArgumentError, PayloadError, PayloadTooLarge, shown
from ..payload.codec import encode
from .annotations import evaluated, signature_of
from .forms import form_of
from .models import Convert, Form

_EMPTY: Final = inspect.Parameter.empty
_REST: Final = inspect.Parameter.VAR_POSITIONAL
_RESULT: Final = "return"  # no parameter has that name
_MORE: Final = inspect.Parameter.VAR_KEYWORD

Bound = dict[str, Any]
"""Arguments by name, as an item has them."""


class Arguments:
    """What a function takes after its first parameter, `self`, and what it returns."""

    def __init__(self, task: str, function: Callable[..., Any], owner: type) -> None:
        """`task` names it in errors, and is the name in the error's `task`."""
        self._task = task
        signature = signature_of(function)
        own = list(signature.parameters.values())[1:]
        said = {each.name: each.annotation for each in own} | {_RESULT: signature.return_annotation}
        hints = evaluated(
            {name: annotation for name, annotation in said.items() if annotation is not _EMPTY},
            getattr(inspect.unwrap(function), "__globals__", {}),
            vars(owner),
        )
        self.result = form_of(hints.get(_RESULT, Any))
        names = said | {name: None if hint is NoneType else hint for name, hint in hints.items()}
        self._signature = signature.replace(
            parameters=[each.replace(annotation=names[each.name]) for each in own],
            return_annotation=names[_RESULT],
        )
        self._parameters = self._signature.parameters
        self._keys = {_key(each): each for each in self._parameters.values()}
        forms = {key: form_of(hints.get(each.name, Any)) for key, each in self._keys.items()}
        self._forms = {key: _of_all(self._keys[key], form) for key, form in forms.items()}
        self._readers = [(key, form.read) for key, form in self._forms.items() if form.read]
        self._writers = [(key, form.write) for key, form in self._forms.items() if form.write]

    def __str__(self) -> str:
        return f"{self._task}{self._signature}"

    # ------------------------------------------------------------ at enqueue

    def bound(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Bound:
        """The arguments of a call, by name. Raises ArgumentError."""
        try:
            given = self._signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            raise self._error(self._misspelt(kwargs) or str(error)) from None
        if self._keys.keys() == self._parameters.keys():
            return dict(given)
        return {
            key: list(given[each.name]) if each.kind is _REST else given[each.name]
            for key, each in self._keys.items()
            if each.name in given
        }

    def encoded(self, bound: Bound, limit: int, place: str = "") -> str:
        """The item of a job with these arguments. Raises PayloadError, which names the one that
        cannot be stored; `place` says where the arguments stand."""
        try:
            for key, convert in (*self._readers, *self._writers):
                if key in bound:
                    bound[key] = self._converted(key, bound[key], convert)
        except PayloadError as error:
            raise self._named(error, place) from error
        try:
            return encode(bound, limit, f"{place}{self._task}: item")
        except PayloadTooLarge:
            raise
        except PayloadError as error:
            for key, value in bound.items():
                try:
                    encode(value, limit, key)
                except PayloadError as one:  # found only when something is wrong
                    raise self._named(one, place) from error
            raise

    def _named(self, error: PayloadError, place: str) -> PayloadError:
        """The error of one argument."""
        return PayloadError(f"{place}{self._task}: argument {error}", f"{place}{error.path}")

    def _misspelt(self, kwargs: Mapping[str, Any]) -> str | None:
        takes = [
            each.name
            for each in self._parameters.values()
            if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)
        ]
        if any(each.kind is _MORE for each in self._parameters.values()):
            return None
        for name in kwargs:
            if name not in takes:
                close = get_close_matches(name, [each for each in takes if each not in kwargs], 1)
                meant = f" (did you mean {close[0]!r}?)" if close else ""
                return f"got an unexpected keyword argument {name!r}{meant}"
        return None

    # ------------------------------------------------------------ in the handler

    def taken(self, item: Any) -> tuple[list[Any], dict[str, Any]]:
        """The arguments in a job's item, to call the function with. Raises ArgumentError."""
        if type(item) is not dict:
            raise self._error(f"expected an item with the arguments by name, got {shown(item)}")
        for key in item:
            if key not in self._keys:
                raise self._error(f"the item has the argument {shown(key)}, which it does not take")
        for key, read in self._readers:
            if key in item:
                try:
                    item[key] = self._converted(key, item[key], read)
                except PayloadError as error:
                    raise self._error(f"argument {error}", error.path) from error
        return self._placed(item)

    def _placed(self, item: Bound) -> tuple[list[Any], dict[str, Any]]:
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        by_place = any(item.get(key) for key in self._keys if _is_rest(key))
        for key, each in self._keys.items():
            in_order = each.kind is each.POSITIONAL_ONLY or (
                by_place and each.kind is each.POSITIONAL_OR_KEYWORD
            )
            if key not in item:
                if each.default is _EMPTY and each.kind not in (_REST, _MORE):
                    raise self._error(f"the item lacks the argument {key!r}", key)
                if in_order:
                    args.append(each.default)
            elif each.kind is _REST:
                args += self._checked(key, item[key], list)
            elif each.kind is _MORE:
                kwargs.update(self._checked(key, item[key], dict))
            elif in_order:
                args.append(item[key])
            else:
                kwargs[key] = item[key]
        return args, kwargs

    def _checked(self, key: str, value: Any, kind: type) -> Any:
        if type(value) is not kind:
            raise self._error(
                f"argument {key}: expected a {kind.__name__}, got {shown(value)}", key
            )
        return value

    def _converted(self, key: str, value: Any, convert: Convert) -> Any:
        if value is None and self._keys[key].default is None:
            return None  # which its annotation need not say
        return convert(value, key)

    def _error(self, problem: str, path: str = "") -> ArgumentError:
        name = self._task.rpartition(".")[2]
        return ArgumentError(
            name, f"{self._task}: {problem}. Expected {name}{self._signature}", path
        )


def _key(parameter: inspect.Parameter) -> str:
    stars = "*" if parameter.kind is _REST else "**" if parameter.kind is _MORE else ""
    return stars + parameter.name


def _is_rest(key: str) -> bool:
    return key.startswith("*") and not key.startswith("**")


def _of_all(parameter: inspect.Parameter, form: Form) -> Form:
    """The form of all that a parameter collects."""
    if parameter.kind not in (_REST, _MORE):
        return form

    def all_of(convert: Convert | None) -> Convert | None:
        if convert is None:
            return None
        if parameter.kind is _REST:
            return lambda value, path: (
                [convert(entry, f"{path}[{n}]") for n, entry in enumerate(value)]
                if type(value) is list
                else value
            )
        return lambda value, path: (
            {key: convert(entry, f"{path}[{shown(key)}]") for key, entry in value.items()}
            if type(value) is dict
            else value
        )

    return Form(form.holds, all_of(form.read), all_of(form.write))
