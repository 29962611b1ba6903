"""What is shown when something goes wrong: little to users, the traceback to the author."""

from __future__ import annotations

import html
import traceback
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ..http.addresses import is_loopback
from ..queue.operators import Log
from .errors import ActionError
from .guards import page_policy

log: Final = Log("sprag.web", here_always=True)

_SAYS: Final = {
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
}
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem }}
body {{ padding: 0 1rem }}
pre {{ overflow: auto; padding: 1rem; border: 1px solid; border-radius: 8px }}
h1 {{ color: light-dark(#b3202a, #ff8a80); font-size: 1.5rem; overflow-wrap: anywhere }}
</style>
</head>
<body>
<h1>{title}</h1>
<pre>{text}</pre>
<p>{why}</p>
</body>
</html>
"""


def error_page(title: str, text: str, why: str) -> Response:
    """A page for the author of the application, with a traceback."""
    content = _PAGE.format(
        **{
            name: html.escape(value)
            for name, value in {"title": title, "text": text, "why": why}.items()
        }
    )
    headers = {"Content-Security-Policy": page_policy(python=False), "Cache-Control": "no-store"}
    return HTMLResponse(content, 500, headers)


def broken_app(said: str) -> ASGIApp:
    """An application that only shows why the real one could not be started."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1013})
            return
        response: Response = PlainTextResponse("The application could not be started\n", 500)
        if is_author(Request(scope)):
            why = "The server restarts when a file changes. Then reload this page."
            response = error_page("The application could not be started", said, why)
        await response(scope, receive, send)

    return answer


def is_author(request: Request) -> bool:
    """True if a request comes from this machine itself, where the application is developed."""
    return request.client is not None and is_loopback(request.client.host)


class Trouble:
    """The handlers of exceptions that no page and no action handled. With `debug`, requests from
    this machine get the traceback."""

    def __init__(self, *, debug: bool) -> None:
        self._debug = debug

    async def not_found(self, _request: Request, _error: Exception) -> Response:
        """There is no such job, or it is another user's."""
        return PlainTextResponse("Not found\n", 404)

    async def http(self, _request: Request, error: Exception) -> Response:
        """What Starlette refuses, and HTTPException of the application."""
        status = error.status_code if isinstance(error, HTTPException) else 500
        headers = error.headers if isinstance(error, HTTPException) else None
        return PlainTextResponse(f"{_SAYS.get(status, 'Refused')}\n", status, headers)

    async def refused(self, _request: Request, error: Exception) -> Response:
        """An ActionError of `load`."""
        status = error.status if isinstance(error, ActionError) else 500
        return PlainTextResponse(f"{error}\n", status)

    async def internal(self, request: Request, error: Exception) -> Response:
        """Anything else: a mistake of the application."""
        if not self._debug or not is_author(request):
            return PlainTextResponse("Something went wrong on the server\n", 500)
        return error_page(
            f"{type(error).__name__}: {error}",
            "".join(traceback.format_exception(error)),
            "This page is shown only to requests from this machine, and only in development: "
            "sprag run --reload, or App(debug=True).",
        )
