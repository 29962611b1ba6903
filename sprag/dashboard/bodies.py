"""Request bodies of one media type and limited length."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ..http.bodies import BodyTooLarge, bounded, media_type_of
from .answers import refusal
from .filters import Mistake


async def body_of(request: Request, kind: str, most: int) -> bytes | Response:
    """Return the body, which must be of the media type `kind` and at most `most` bytes, or the
    refusal to answer with."""
    if media_type_of(request) != kind:
        told = f"This address accepts only {kind}."
        return refusal(request, 415, "unsupported_media_type", told)
    try:
        return await bounded(request, most).body()
    except BodyTooLarge:
        return refusal(request, 413, "too_large", f"At most {most:,} bytes are accepted.")


def json_in(body: bytes) -> Any:
    """What a body says. Raises Mistake if it is not JSON."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Mistake("expected JSON") from error
