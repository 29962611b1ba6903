"""The headers that protect users, on every answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .redirects import stay_here

PROTECTIVE: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not "no-referrer": browsers would then send forms with "Origin: null".
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""What no answer of sprag lacks."""


class ProtectedAnswers:
    """Middleware: the headers in PROTECTIVE and in `headers` on every answer that does not set them
    itself, and redirects that stay on this host."""

    def __init__(self, app: ASGIApp, headers: Mapping[str, str]) -> None:
        self._app = app
        self._headers = {**PROTECTIVE, **headers}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                protect(MutableHeaders(scope=message), self._headers)
            await send(message)

        if scope["type"] == "http":
            await self._app(scope, receive, stay_here(scope, send_protected))
        else:
            await self._app(scope, receive, send)


def protect(headers: MutableHeaders, wanted: Mapping[str, str]) -> None:
    """Set these headers of an answer, unless it has its own."""
    for name, value in wanted.items():
        headers.setdefault(name, value)
