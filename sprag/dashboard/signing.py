"""Signing in with the token, and out."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from .access import RETRY_SECONDS, SIGNED_IN_SECONDS, WRONG, Door, wrong_token
from .answers import base_of, refusal
from .bodies import body_of
from .pages import Pages

_MOST_BYTES: Final = 8192
# Pages of the dashboard, and nothing that could lead elsewhere.
_PAGE: Final = re.compile(r"(jobs(/[0-9a-f]{32})?)?(\?[A-Za-z0-9_.~%&=+*-]*)?", re.ASCII)


class Signing:
    """The endpoints `sign-in` and `sign-out`."""

    def __init__(self, door: Door, pages: Pages) -> None:
        self._door = door
        self._pages = pages

    async def sign_in(self, request: Request) -> Response:
        """`POST sign-in` with the form fields `token` and `next`, the page to go on to."""
        base = base_of(request.scope)
        if request.method != "POST" or not self._door.has_token:
            return RedirectResponse(base, 303)
        body = await body_of(request, "application/x-www-form-urlencoded", _MOST_BYTES)
        if isinstance(body, Response):
            return body
        try:
            form = parse_qs(body.decode("utf-8", "replace"), max_num_fields=9, encoding="utf-8")
        except ValueError:
            return refusal(request, 400, "invalid_payload", "Expected the form's two fields.")
        if not self._door.opens(form.get("token", [""])[0].strip()):
            refused = await wrong_token(request, self._door)
            if refused is WRONG:
                return self._pages.sign_in(request, 403, WRONG.message, _next(form))
            answer: Response = refusal(request, *refused)
            answer.headers["Retry-After"] = RETRY_SECONDS
            return answer
        answer = RedirectResponse(base + _next(form), 303)
        secure = request.url.scheme == "https" or request.headers.get("origin", "").startswith(
            "https://"  # behind a proxy that this server does not trust
        )
        answer.set_cookie(
            self._door.cookie_name, self._door.cookie(), max_age=SIGNED_IN_SECONDS, path=base,
            secure=secure, httponly=True, samesite="strict",
        )  # fmt: skip
        return answer

    async def sign_out(self, request: Request) -> Response:
        """`POST sign-out`: this browser forgets that it signed in."""
        base = base_of(request.scope)
        answer = RedirectResponse(base, 303)
        answer.delete_cookie(self._door.cookie_name, path=base, httponly=True, samesite="strict")
        return answer


def _next(form: dict[str, list[str]]) -> str:
    page = form.get("next", [""])[0]
    return page if _PAGE.fullmatch(page) else ""
