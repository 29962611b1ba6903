"""What a call sends: JSON, or a form with files. Never more than the limits."""

from __future__ import annotations

import functools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeVar, cast

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from ..http.bodies import BodyTooLarge, bounded, media_type_of
from ..queue.operators import MAX_DEPTH, TOO_DEEP
from .errors import ActionError
from .uploads import Upload

R = TypeVar("R")

_MOST_FILES: Final = 100
_MOST_FIELDS: Final = 10


@dataclass(frozen=True, slots=True)
class Limits:
    """The most a call may send, in bytes: without files, and with them."""

    body: int
    upload: int


@asynccontextmanager
async def payload_of(request: Request, limits: Limits) -> AsyncIterator[dict[str, Any]]:
    """The fields that a call sends. Files are there until the block ends. Raises ActionError."""
    kind = media_type_of(request)
    if kind == "application/json":
        yield _object(await _bounded(request, limits.body, Request.body))
    elif kind == "multipart/form-data":
        _check_charset(request)
        form = await _bounded(request, limits.upload, functools.partial(_form, limits.body))
        try:
            yield _fields(form.multi_items())
        finally:
            await form.close()
    else:
        raise ActionError(
            "Expected application/json, or multipart/form-data with files",
            status=415,
            type="unsupported_media_type",
        )


async def _bounded(request: Request, most: int, read: Callable[[Request], Awaitable[R]]) -> R:
    try:
        return await read(bounded(request, most))
    except BodyTooLarge as error:
        raise ActionError(
            f"Too large: expected at most {error.most:,} bytes", status=413, type="too_large"
        ) from None


async def _form(most: int, request: Request) -> FormData:
    try:
        return await request.form(
            max_files=_MOST_FILES, max_fields=_MOST_FIELDS, max_part_size=most
        )
    except (HTTPException, FormParserError) as error:  # the latter: from older Starlettes
        said = getattr(error, "detail", "The form is not valid")
        raise ActionError(said, type="invalid_form") from error


def _check_charset(request: Request) -> None:
    """Raise ActionError for a form that says it is not UTF-8, as no browser does. Starlette decodes
    it by whichever of Python's codecs it names, and punycode takes a minute for a megabyte."""
    charset = parse_options_header(request.headers["content-type"])[1].get(b"charset", b"utf-8")
    if charset.lower() != b"utf-8":
        raise ActionError("Expected a form in UTF-8", type="invalid_form")


def _fields(parts: list[tuple[str, UploadFile | str]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, part in parts:
        if isinstance(part, UploadFile):
            upload = Upload(
                part.filename or "", part.size or 0, part.content_type or "",
                cast(Any, part.file),
            )  # fmt: skip
            if name not in found:
                found[name] = upload
            elif isinstance(found[name], list):
                found[name].append(upload)
            else:
                found[name] = [found[name], upload]
        elif name != "payload":
            raise ActionError(
                'In a form with files, all other fields are JSON in the part "payload"',
                type="invalid_form",
            )
    for name, part in parts:
        if name == "payload" and isinstance(part, str):
            found = {**_object(part.encode()), **found}
    return found


def _object(text: bytes) -> dict[str, Any]:
    try:
        # Decoded here: json would accept bytes in other encodings, and lone surrogates.
        found = json.loads(text.decode(), parse_constant=_no_constant)
    except ValueError as error:
        raise ActionError(f"The body is not valid JSON: {error}", type="invalid_json") from None
    except RecursionError:
        _too_deep()
    if not isinstance(found, dict):
        raise ActionError("The body is not a JSON object", type="invalid_json")
    # The bytes are searched for both first: that clears nearly all bodies, and is fast.
    if text.count(b"[") + text.count(b"{") > MAX_DEPTH and _deeper(found, MAX_DEPTH):
        _too_deep()
    if b"\\u" in text and _has_surrogate(found):
        raise ActionError(
            "The body has a lone surrogate, which is not valid text", type="invalid_json"
        )
    return found


def _too_deep() -> NoReturn:
    raise ActionError(f"The body has {TOO_DEEP}", type="invalid_json")


def _deeper(value: object, most: int) -> bool:
    level = [value]
    for _ in range(most + 1):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return True


def _has_surrogate(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not valid JSON")
