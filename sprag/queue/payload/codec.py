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

import dataclasses
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from json.encoder import c_make_encoder, encode_basestring  # type: ignore[attr-defined]  # untyped
from pathlib import PurePath
from typing import Any, Final

from ..errors import PayloadError, PayloadTooLarge, shown
from .decoding import restored
from .encoding import MAX_DEPTH, TOO_DEEP, TooDeep, tagged

__all__ = ["MAX_DEPTH", "TOO_DEEP", "decode", "encode", "encode_each", "same"]

_Step = tuple[str, str]

_SEARCHED: Final = 10_000
"""How many parts of a value that is nested too deeply are searched for a circle."""

_from_json: Final = json.JSONDecoder().decode
_scan: Final = json.JSONDecoder().scan_once  # type: ignore[attr-defined]  # not in typeshed
_ATOMS: Final = frozenset({str, int, bool, type(None)})
# What JSONEncoder.encode makes anew for every value, which takes half of its time: no check of
# circles, what is no JSON, how texts are written, no indent, separators, keys as they come, every
# key, no NaN.
_chunks: Final = c_make_encoder(
    None, json.JSONEncoder().default, encode_basestring, None, ":", ",", False, False, False
)


def _to_json(value: object) -> str:
    return "".join(_chunks(value, 0))


def encode(value: object, limit: int, root: str = "item") -> str:
    """`value` as JSON text of at most `limit` bytes in UTF-8.

    `root` names the value in errors. Raises PayloadError with the path of what
    cannot be stored, PayloadTooLarge above the limit.
    """
    if value is None:
        return "null"  # what most handlers return
    try:
        text = _to_json(value if _is_plain(value, MAX_DEPTH) else tagged(value, root))
    except TooDeep as error:
        raise _of_circle(value, root) or PayloadError(
            f"{root} has {TOO_DEEP}", error.path
        ) from None
    except ValueError as error:
        # An int of more digits than Python converts to text (sys.set_int_max_str_digits).
        raise PayloadError(f"{root} cannot be stored: {error}", root) from error
    if text.isascii() and len(text) <= limit:
        return text
    return _measured(text, value, limit, root)


def encode_each(values: Iterable[object], limit: int, root: str) -> list[str]:
    """Like `encode`, for each of `values` when it is its turn, which may be the same object with
    other content each time. A value's path is `root[0]`, `root[1]`, …"""
    texts: list[str] = []
    for value in values:
        try:
            text = _to_json(value) if _is_plain(value, MAX_DEPTH) else None
        except ValueError:
            text = None
        if text is None:  # it takes more than JSON, or `encode` says what is wrong with it
            texts.append(encode(value, limit, f"{root}[{len(texts)}]"))
        elif text.isascii() and len(text) <= limit:
            texts.append(text)
        else:
            texts.append(_measured(text, value, limit, f"{root}[{len(texts)}]"))
    return texts


def _measured(text: str, value: object, limit: int, root: str) -> str:
    """The text of the value, which is valid and not too long."""
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
        value = _value(text) if text != "null" else None
    except ValueError as error:
        raise PayloadError(f"the stored payload is not valid JSON: {error}", "") from error
    except RecursionError as error:
        raise PayloadError(f"the stored payload has {TOO_DEEP}", "") from error
    try:
        # Only tagged objects need work, and they cannot hide: a tag is text with a "$".
        return restored(value, "payload") if '"$' in text else value
    except RecursionError as error:
        raise PayloadError(f"the stored payload has {TOO_DEEP}", "") from error


def _value(text: str) -> Any:
    """What JSON text says."""
    # What our encoder writes has no space around it. The rest of the decoder, which looks for some,
    # takes as long again.
    try:
        value, end = _scan(text, 0)
    except StopIteration:
        return _from_json(text)
    return value if end == len(text) else _from_json(text)


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


def _surrogate_path(value: object, path: str) -> str:
    """The path of the text with a lone surrogate, as far as it can be followed."""

    def bad(text: object) -> bool:
        text = str(text) if isinstance(text, PurePath) else text
        return isinstance(text, str) and any("\ud800" <= char <= "\udfff" for char in text)

    for (before, after), entry in _parts(value):
        where = f"{before}{path}{after}"
        if bad(entry):
            return where
        deeper = _surrogate_path(entry, where)
        if deeper != where:
            return deeper
    return path


def _of_circle(value: object, root: str) -> PayloadError | None:
    """The error of a value that contains itself, if the first of its parts show it. Paths are made
    only then: it may be nested without end."""
    steps: list[_Step] = []
    stack = [(value, _parts(value))]
    place: dict[int, int] = {id(value): 0}
    """Where in the stack a value is, by its id."""
    done: dict[int, object] = {}  # the values, too, so that no other gets an id of theirs
    while stack and len(done) + len(stack) < _SEARCHED:
        outer, parts = stack[-1]
        for step, inner in parts:
            if id(inner) in place:
                path = _path(root, steps[: place[id(inner)]])
                again = _path(root, [*steps, step])
                return PayloadError(
                    f"{path} contains itself, as {again}, and so cannot be stored", path
                )
            if id(inner) not in done:
                place[id(inner)] = len(stack)
                stack.append((inner, _parts(inner)))
                steps.append(step)
                break
        else:
            stack.pop()
            del place[id(outer)]
            done[id(outer)] = outer
            if steps:
                steps.pop()
    return None


def _path(root: str, steps: Sequence[_Step]) -> str:
    before = (text for text, _ in reversed(steps))
    return "".join([*before, root, *(text for _, text in steps)])


def _parts(value: object) -> Iterator[tuple[_Step, object]]:
    """What a value holds, each with what its path has before and after that of the value."""
    if isinstance(value, dict):
        for key, entry in value.items():
            yield (f"key {shown(key)} of ", ""), key
            yield ("", f"[{shown(key)}]"), entry
    elif isinstance(value, list | tuple | set | frozenset):
        for number, entry in enumerate(value):
            yield ("", f"[{number}]"), entry
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield ("", f".{field.name}"), getattr(value, field.name, None)
