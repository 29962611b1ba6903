"""Request bodies of limited length."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import Message

_DIGITS = 20


class BodyTooLarge(Exception):
    """A request's body has more than `most` bytes."""

    def __init__(self, most: int) -> None:
        super().__init__(f"expected a body of at most {most:,} bytes")
        self.most = most


def media_type_of(request: Request) -> str:
    """The media type that a request names, in lower case and without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def bounded(request: Request, most: int) -> Request:
    """The same request, but reading more than `most` bytes of its body raises BodyTooLarge. A
    length that says so is refused here, before anything is read."""
    said = request.headers.get("content-length", "")
    if said.isascii() and said.isdigit() and len(said) < _DIGITS and int(said) > most:
        raise BodyTooLarge(most)
    size = 0

    async def receive() -> Message:
        nonlocal size
        message = await request.receive()
        size += len(message.get("body", b""))
        if size > most:
            raise BodyTooLarge(most)
        return message

    return Request(request.scope, receive)
