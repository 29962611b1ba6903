"""Who a request comes from: a signed session, and the audiences that it belongs to."""

from __future__ import annotations

import inspect
import json
import os
import secrets
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from ..queue.disk import make_folder, sync, sync_folder
from .errors import StartupError

Identify = Callable[[HTTPConnection], object]
Topics = Callable[[HTTPConnection], Iterable[str]]

SECRET_VARIABLE: Final = "SPRAG_SECRET"
COOKIE: Final = "sprag_session"
_SESSION_SECONDS: Final = 30 * 24 * 3600
_RENEW_SECONDS: Final = 24 * 3600
_LEAST_SECRET: Final = 16
_ID: Final = "sprag_id"
_SEEN: Final = "sprag_seen"


class Visitors:
    """Tells who somebody is. `identify` gives the key of the visitor's owner, such as a user's
    id, or None; `topics` the further audiences that the visitor may follow."""

    def __init__(self, identify: Identify | None, topics: Topics | None) -> None:
        given: dict[str, object] = {"identify": identify, "topics": topics}
        for name, function in given.items():
            if function is not None and (
                not callable(function) or inspect.iscoroutinefunction(function)
            ):
                raise StartupError(
                    f"App: {name}: expected a plain function of one argument, the connection, "
                    f"got {function!r}"
                )
        self._identify = identify
        self._topics = topics

    def owner(self, connection: HTTPConnection) -> str:
        """Whose the jobs are that this visitor enqueues: an audience."""
        key = None if self._identify is None else self._identify(connection)
        if key is None:
            return session_audience(connection)
        return owner_audience(key)

    def audiences(self, connection: HTTPConnection) -> frozenset[str]:
        """All that the visitor may see."""
        topics = () if self._topics is None else self._topics(connection)
        if isinstance(topics, str):
            topics = (topics,)
        return frozenset(
            (session_audience(connection), self.owner(connection), *map(topic_audience, topics))
        )


def session_id(connection: HTTPConnection) -> str | None:
    """The id of the visitor's session, None before the first page."""
    found = connection.session.get(_ID)
    return found if isinstance(found, str) else None


def keep_session(connection: HTTPConnection) -> None:
    """Make sure that the visitor has a session, and that it does not end while it is in use."""
    session = connection.session
    now = int(time.time())
    if session_id(connection) is None:
        session[_ID] = secrets.token_urlsafe(18)
        session[_SEEN] = now
    elif now - int(session.get(_SEEN, 0)) > _RENEW_SECONDS:
        session[_SEEN] = now


def session_audience(connection: HTTPConnection) -> str:
    """The audience that is this one session."""
    keep_session(connection)
    return f"session:{session_id(connection)}"


def owner_audience(key: object) -> str:
    """The audience that is one owner, in all sessions."""
    return f"owner:{key}"


def topic_audience(name: str) -> str:
    """The audience of all who follow a topic."""
    return f"topic:{name}"


class Sessions:
    """Middleware: the session of each request, from a signed cookie, which is `Secure` where the
    request is. `changed(id)` is told of sessions that say something else than before, once the
    answer was sent."""

    def __init__(
        self, app: ASGIApp, secret: Callable[[], str], changed: Callable[[str], None]
    ) -> None:
        self._app = app
        self._secret = secret
        self._changed = changed
        self._made: dict[bool, SessionMiddleware] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        secure = scope.get("scheme") in ("https", "wss")
        middleware = self._made.get(secure)
        if middleware is None:
            middleware = self._made[secure] = SessionMiddleware(
                self._compared, self._secret(), COOKIE, _SESSION_SECONDS, https_only=secure
            )
        await middleware(scope, receive, send)

    async def _compared(self, scope: Scope, receive: Receive, send: Send) -> None:
        session = scope["session"]
        id_, before = session.get(_ID), _said(session)
        try:
            await self._app(scope, receive, send)
        finally:
            # Of the old id: a login or logout may have emptied the session.
            if isinstance(id_, str) and _said(session) != before:
                self._changed(id_)


def _said(session: dict[str, Any]) -> str:
    """What a session says, apart from when it was seen."""
    return json.dumps({name: value for name, value in session.items() if name != _SEEN})


async def read_session(scope: Scope, receive: Receive, send: Send, secret: str) -> None:
    """Put the session of a connection into its scope. Like `Sessions`, but it returns before the
    connection is answered, and sets no cookie."""
    await SessionMiddleware(_nothing, secret, COOKIE, _SESSION_SECONDS)(scope, receive, send)


async def _nothing(_scope: Scope, _receive: Receive, _send: Send) -> None:
    pass


def check_secret(secret: Any) -> str:
    """The secret, if it is long enough."""
    if not isinstance(secret, str) or len(secret) < _LEAST_SECRET:
        raise StartupError(
            f"App: secret: expected a text of at least {_LEAST_SECRET} characters that nobody can "
            "guess, got a shorter one or none"
        )
    return secret


def secret_of(database: str) -> str:
    """The secret of the environment, else the one beside the database, made at first use.

    Raises StartupError where it can be neither read nor made.
    """
    told = os.environ.get(SECRET_VARIABLE)
    if told is not None:
        return check_secret(told)
    file = Path(f"{database}-sprag") / "secret"
    try:
        make_folder(file.parent)
        if not file.exists():
            # Whole or not at all: another process may be at the same.
            draft = file.with_name(f"secret.{secrets.token_hex(8)}")
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as writing:
                writing.write(secrets.token_urlsafe(32))
                writing.flush()
                sync(writing.fileno())
            try:
                os.link(draft, file)
            except FileExistsError:
                pass
            finally:
                draft.unlink()
            sync_folder(file.parent)
        return check_secret(file.read_text(encoding="ascii"))
    except OSError as error:
        raise StartupError(
            f"App: the secret that signs cookies can be neither read nor kept in {file} "
            f"({error.strerror}); set {SECRET_VARIABLE} in the environment instead"
        ) from error
