"""Request bodies of limited length."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from .answers import refusal


async def body_of(request: Request, kind: str, most: int) -> bytes | Response:
    """Return the body, which must be of the media type `kind` and at most `most` bytes, or the
    refusal to answer with."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != kind:
        told = f"This address accepts only {kind}."
        return refusal(request, 415, "unsupported_media_type", told)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            return refusal(request, 413, "too_large", f"At most {most:,} bytes are accepted.")
    return bytes(body)
