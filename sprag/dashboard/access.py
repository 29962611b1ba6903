"""Who is let in: anyone with the token, or, if there is none, anyone on this machine."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import anyio
from itsdangerous import BadSignature, URLSafeTimedSerializer
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ..http.addresses import host_name, is_loopback
from ..queue import ConfigurationError
from .answers import base_of, path_of, refusal, wants_page
from .attempts import Attempts
from .pages import Pages

SIGNED_IN_SECONDS: Final = 12 * 3600
WRONG_SECONDS: Final = 0.5
"""How long the answer to a wrong token takes."""

RETRY_SECONDS: Final = "60"
_SHORTEST: Final = 16
_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
# Behind a proxy on this machine, every client looks like a local one.
_PASSED_ON: Final = (
    "forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto",
    "x-forwarded-server", "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip",
)  # fmt: skip
_OPEN: Final = ("/assets/", "/sign-in")


class Refused(NamedTuple):
    """Why a request is not answered."""

    status: int
    kind: str
    message: str


class Door:
    """What a user must show. Raises ConfigurationError for a token that can be guessed."""

    def __init__(self, token: object, secret: object) -> None:
        if token is not None and (not isinstance(token, str) or len(token) < _SHORTEST):
            what = f"{len(token)} characters" if isinstance(token, str) else type(token).__name__
            raise ConfigurationError(
                f"dashboard: expected a token of {_SHORTEST} characters or more, or None for "
                f"requests from this machine only, got {what}; make one with "
                "`python3 -c 'import secrets; print(secrets.token_urlsafe())'`"
            )
        if token is not None and (not isinstance(secret, str) or len(secret) < _SHORTEST):
            raise ConfigurationError(
                f"dashboard: expected a secret of {_SHORTEST} characters or more to sign cookies "
                "with, got a shorter one or none"
            )
        self._token = None if token is None else token.encode()
        # A new token ends all sessions that began with the previous one.
        salt = hashlib.sha256(b"sprag.dashboard " + (self._token or b"")).hexdigest()
        self._cookies = URLSafeTimedSerializer(str(secret), salt)
        # Browsers send the cookies of a host to all its ports, so each dashboard needs its own.
        named = hashlib.sha256(f"sprag.dashboard.cookie {secret} {salt}".encode()).hexdigest()
        self.cookie_name = f"sprag_dashboard_{named[:8]}"
        self.attempts = Attempts()

    @property
    def has_token(self) -> bool:
        return self._token is not None

    def opens(self, token: str) -> bool:
        """True if this is the token; in constant time."""
        return self._token is not None and hmac.compare_digest(token.encode(), self._token)

    def cookie(self) -> str:
        """A cookie for someone who has shown the token."""
        return str(self._cookies.dumps("in"))

    def knows(self, cookie: str) -> bool:
        """True if the cookie was made here, with the present token, and is not too old."""
        try:
            said: Any = self._cookies.loads(cookie, max_age=SIGNED_IN_SECONDS)
        except BadSignature:  # also for cookies that are too old
            return False
        return bool(said == "in")


class Access:
    """Passes on the requests that are allowed, and answers the others."""

    def __init__(self, app: ASGIApp, door: Door, pages: Pages) -> None:
        self._app = app
        self._door = door
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        if "token" in request.query_params:  # addresses are kept in logs and histories
            base = base_of(scope) + quote(path_of(scope).lstrip("/"))
            await RedirectResponse(base, 303)(scope, receive, send)
            return
        refused = foreign(request)
        if refused is None:
            door = self._door
            refused = await _by_token(request, door) if door.has_token else not_local(request)
        if refused is None:
            await self._app(scope, receive, send)
        elif refused.status == 401 and wants_page(request):
            await self._pages.sign_in(request, 401)(scope, receive, send)
        else:
            answer = refusal(request, *refused)
            if refused.status == 401:
                answer.headers["WWW-Authenticate"] = "Bearer"
            elif refused.status == 429:
                answer.headers["Retry-After"] = RETRY_SECONDS
            await answer(scope, receive, send)


async def _by_token(request: Request, door: Door) -> Refused | None:
    if path_of(request.scope).startswith(_OPEN):
        return None
    given = bearer(request)
    if given is None:
        if door.knows(request.cookies.get(door.cookie_name, "")):
            return None
        return Refused(401, "signed_out", "Sign in first.")
    return None if door.opens(given) else await wrong_token(request, door)


async def wrong_token(request: Request, door: Door) -> Refused:
    """The refusal of a wrong token: at first after a pause. Only wrong ones are counted: a
    stranger, who may share a proxy's address with an operator, must not lock out the right one."""
    if not door.attempts.take(client_of(request)):
        return TOO_MANY
    await anyio.sleep(WRONG_SECONDS)
    return WRONG


TOO_MANY: Final = Refused(429, "too_many", "Too many wrong tokens: wait a minute.")
WRONG: Final = Refused(403, "wrong_token", "That is not the token of this dashboard.")


def bearer(request: Request) -> str | None:
    """The token that a script sent; None without one."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    return token.strip().encode("latin-1").decode("utf-8", "replace")


def client_of(request: Request) -> str:
    """The client for whom wrong tokens are counted."""
    return request.client.host if request.client is not None else ""


def not_local(request: Request) -> Refused | None:
    """Why a request is not one that a program on this machine makes to this machine."""
    problem = None
    hosts = request.headers.getlist("host")
    if not is_loopback(client_of(request)):
        problem = "it answers only requests from this machine"
    elif len(hosts) != 1 or host_name(hosts[0]) not in _NAMES:
        # The owner of a page that is open here can make any name point to 127.0.0.1.
        problem = "it answers only to the names localhost, 127.0.0.1 and [::1]"
    elif any(name in request.headers for name in _PASSED_ON):
        problem = "it does not answer requests that come through a proxy"
    elif request.scope.get("http_version") == "1.0":
        # The HTTP version that nginx used towards its backend until 1.29.7; no browser does.
        problem = "it does not answer HTTP/1.0, which proxies speak"
    if problem is None:
        return None
    told = (
        f"This dashboard has no token, so {problem}. Give it one of 16 characters or more to use it"
        " from elsewhere: App(dashboard_token=…), or SPRAG_DASHBOARD_TOKEN in the environment."
    )
    return Refused(403, "not_local", told)


def foreign(request: Request) -> Refused | None:
    """Why a request is another site's doing. Only addresses of pages may be linked to from there;
    whatever changes something must come from a page of this very origin, or bring the token."""
    site = request.headers.get("sec-fetch-site")
    if request.method in ("GET", "HEAD"):
        elsewhere = site in ("cross-site", "same-site")
        if elsewhere and request.headers.get("sec-fetch-mode") != "navigate":
            return _FOREIGN
        return None
    if site is not None:
        return None if site == "same-origin" else _FOREIGN
    origin = request.headers.get("origin")
    if origin is None:
        # No browser sends this without either header, so no page can make one do it.
        return None if bearer(request) is not None else _FOREIGN
    own = request.headers.get("host", "").lower()
    return None if origin.lower().partition("://")[2] == own != "" else _FOREIGN


_FOREIGN: Final = Refused(403, "cross_site", "This request comes from another site.")
