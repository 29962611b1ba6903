"""Request bodies of one media type and limited length."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from ..http.bodies import BodyTooLarge, bounded, media_type_of
from .answers import refusal


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
