"""The session: what is kept for a user, in a signed cookie."""

from __future__ import annotations

import copy
import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from typing import Any, Final, Self
from urllib.parse import quote

from itsdangerous import BadSignature, TimestampSigner
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .errors import SessionTooLarge

ID: Final = "sprag_id"
SEEN: Final = "sprag_seen"
SECONDS: Final = 30 * 24 * 3600
# How much of a cookie every browser keeps: its name, value and attributes together.
_MOST_BYTES: Final = 4096
_SIGNATURE: Final = 35  # a time and a checksum, each after a dot
_ENDED: Final = "expires=Thu, 01 Jan 1970 00:00:00 GMT"


class Session(dict[str, Any]):
    """What is kept for a user, as JSON.

    Setting a key raises TypeError or ValueError for a value that JSON cannot hold,
    and SessionTooLarge for more than browsers keep. The session is then as it
    was before.
    """

    def __init__(self, said: Mapping[str, Any], room: int) -> None:
        super().__init__(said)
        self.sent = False
        """True once the answer has been sent, so that no change can be kept any more."""
        self._room = room
        self._begun = copy.deepcopy(dict(said))

    def __setitem__(self, name: str, value: Any) -> None:
        self._change({name: value})

    def update(self, *others: Any, **more: Any) -> None:
        """Like `dict.update`."""
        self._change(dict(*others, **more))

    def setdefault(self, name: str, default: Any = None, /) -> Any:
        """Like `dict.setdefault`."""
        if name not in self:
            self[name] = default
        return self[name]

    def __ior__(self, other: Any) -> Self:  # type: ignore[override, misc]  # as `update` takes it
        self.update(other)
        return self

    def _change(self, changes: Mapping[Any, Any]) -> None:
        for name in changes:
            if not isinstance(name, str):
                raise TypeError(f"session: expected a text as the key, got {name!r}")
        if self.sent:
            raise RuntimeError(
                f"session: {', '.join(changes)} cannot be kept, as the answer with its cookie has "
                "already been sent: change the session before that, not in a deferred action"
            )
        before = dict(self)
        super().update(changes)
        try:
            self.text()
        except BaseException:
            self.clear()
            super().update(before)
            raise

    def restore(self) -> None:
        """Forget all changes of this request."""
        self.clear()
        super().update(self._begun)

    def text(self) -> str:
        """The session as JSON. Raises what setting a key raises; a change inside a value is only
        found here."""
        try:
            text = json.dumps(self, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"session: expected values that JSON can hold: {error}") from None
        size = (len(text) + 2) // 3 * 4
        if size > self._room:
            sizes = {name: len(json.dumps(value)) for name, value in self.items()}
            largest = max(sizes, key=lambda name: sizes[name])
            raise SessionTooLarge(size, self._room, largest, sizes[largest])
        return text


class Cookie:
    """How the session of a site is written into a cookie, and read from it."""

    def __init__(self, name: str, secret: str) -> None:
        self.name = name
        self._signer = TimestampSigner(secret)

    def session(self, connection: HTTPConnection) -> Session:
        """The session of a user; an empty one if the cookie is missing, forged or too old."""
        path = _path(connection.scope)
        room = _MOST_BYTES - len(f"{self.name}={_attributes(path, secure=True)}") - _SIGNATURE
        return Session(self._said(connection.cookies.get(self.name, "")), room)

    def header(self, session: Session, scope: Scope) -> str:
        """The Set-Cookie that keeps the session, or with an empty one ends it."""
        attributes = _attributes(_path(scope), secure=_is_secure(scope))
        if not session:
            return f"{self.name}=null{attributes}; {_ENDED}"
        value = self._signer.sign(b64encode(session.text().encode())).decode()
        return f"{self.name}={value}; max-age={SECONDS}{attributes}"

    def _said(self, value: str) -> dict[str, Any]:
        try:
            text = self._signer.unsign(value.encode("latin-1", "replace"), max_age=SECONDS)
            said = json.loads(b64decode(text))
        except (BadSignature, ValueError, RecursionError):
            return {}
        return said if isinstance(said, dict) else {}


class Sessions:
    """Middleware: gives each request its session, and keeps what the request changed.

    `changed(id)` is called with each session that has changed, once the answer has been sent.
    """

    def __init__(
        self, app: ASGIApp, cookie: Callable[[], Cookie], changed: Callable[[str], None]
    ) -> None:
        self._app = app
        self._cookie = cookie
        self._changed = changed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        cookie = self._cookie()
        # Without `receive`: this only reads what the request begins with.
        session = scope["session"] = cookie.session(HTTPConnection(scope))
        kept, id_, before = _all(session), session.get(ID), _said(session)

        async def send_kept(message: Message) -> None:
            if message["type"] == "http.response.start":
                if _all(session) != kept:
                    headers = MutableHeaders(scope=message)
                    headers.append("Set-Cookie", cookie.header(session, scope))
                    headers.add_vary_header("Cookie")
                session.sent = True
            await send(message)

        try:
            await self._app(scope, receive, send_kept)
        finally:
            # Of the old id: a login or logout may have emptied the session.
            if isinstance(id_, str) and _said(session) != before:
                self._changed(id_)


def check_session(connection: HTTPConnection) -> None:
    """Raise what setting a key raises, also for a change inside a value, which sets no key."""
    session = connection.session
    if isinstance(session, Session):
        try:
            session.text()
        except (TypeError, ValueError):
            session.restore()
            raise


def _all(session: Mapping[str, Any]) -> str:
    return json.dumps(session, default=repr)  # the error is raised where the value was written


def _said(session: Session) -> str:
    """What a session says, apart from when it was seen."""
    return _all({name: value for name, value in session.items() if name != SEEN})


def _path(scope: Scope) -> str:
    """Where the application is mounted: browsers need not send the cookie anywhere else."""
    return quote(str(scope.get("root_path", "")).rstrip("/")) or "/"


def _attributes(path: str, *, secure: bool) -> str:
    return f"; path={path}; httponly; samesite=lax" + ("; secure" if secure else "")


def _is_secure(scope: Scope) -> bool:
    return scope.get("scheme") in ("https", "wss")
