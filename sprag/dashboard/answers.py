"""Answers: their JSON, their error pages, and their headers."""

from __future__ import annotations

import html
import json
from typing import Any, Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import Scope

from ..http.headers import PROTECTIVE, protect
from .files import ASSETS

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)

HEADERS: Final = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-store"}
"""Beside those of ProtectedAnswers. Browsers may keep nothing but assets."""


class Json(JSONResponse):
    """JSON in ASCII, so that texts with half of a surrogate pair can be sent too."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode()


def base_of(scope: Scope) -> str:
    """The path at which the dashboard is mounted, with a slash at its end, as browsers see it."""
    inner = str(scope.get("root_path", "")).strip("/")
    return f"/{quote(inner)}/" if inner else "/"


def path_of(scope: Scope) -> str:
    """The path of a request inside the dashboard."""
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return path[len(root) :] if root and path.startswith(root) else path


def refusal(request: Request, status: int, kind: str, message: str, **facts: Any) -> Response:
    """Return an error: a small page for a person, JSON for a script."""
    answer: Response
    if wants_page(request):
        base = html.escape(base_of(request.scope))
        answer = HTMLResponse(
            "<!doctype html><html lang=en><meta charset=utf-8>"
            "<meta name=viewport content='width=device-width'>"
            f"<title>{status} · sprag</title><link rel=stylesheet href='{base}{ASSETS.css}'>"
            f"<main class=notice><h1>{html.escape(message)}</h1><p class=quiet>Error {status}</p>"
            f"<p><a href='{base}'>To the overview</a></p></main>",
            status,
        )
    else:
        error = {"type": kind, "message": message, **facts}
        answer = Json({"ok": False, "error": error}, status)
    # Internal errors are answered outside ProtectedAnswers.
    protect(answer.headers, {**PROTECTIVE, **HEADERS})
    return answer


def wants_page(request: Request) -> bool:
    """Return True if a browser asks for a page."""
    return "text/html" in request.headers.get("accept", "")
