"""Redirects that stay on this host, whatever host name the request has."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import Message, Scope, Send


def stay_here(scope: Scope, send: Send) -> Send:
    """Return a `send` that shortens redirects to this host to their path. Starlette writes the
    `Host` header into redirects, and a cache on the way may keep them for other users."""
    if scope["type"] != "http":
        return send

    async def send_here(message: Message) -> None:
        if message["type"] == "http.response.start" and 300 <= message["status"] < 400:
            headers = MutableHeaders(scope=message)
            location = headers.get("location")
            if location is not None:
                headers["location"] = _here(location, Headers(scope=scope).get("host", ""))
        await send(message)

    return send_here


def _here(location: str, host: str) -> str:
    parts = urlsplit(location)
    if not parts.netloc or parts.netloc.lower() != host.lower():
        return location
    # Two slashes at the beginning would name a host again, and browsers read \ as /.
    path = "/" + parts.path.lstrip("/\\")
    return urlunsplit(("", "", path, parts.query, parts.fragment))
