"""Who a request comes from, and the audiences that this user belongs to."""

from __future__ import annotations

import inspect
import secrets
import time
from collections.abc import Callable, Iterable
from typing import Final
from uuid import UUID

from starlette.requests import HTTPConnection

from ..queue import ConfigurationError
from .errors import StartupError
from .session import ID, SEEN

Identify = Callable[[HTTPConnection], object]
Topics = Callable[[HTTPConnection], Iterable[str] | None]

_RENEW_SECONDS: Final = 24 * 3600


class Visitors:
    """Says who a user is. `identify` returns the key of the jobs' owner, such as a user's id,
    or None for nobody; `topics` the topics that the user may follow."""

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
        """The audience of the jobs that this user enqueues."""
        key = None if self._identify is None else self._identify(connection)
        return owner_audience(key, "App(identify=)") or session_audience(connection)

    def audiences(self, connection: HTTPConnection) -> frozenset[str]:
        """Every audience that the user belongs to."""
        return frozenset(
            (
                session_audience(connection),
                self.owner(connection),
                *map(topic_audience, self._followed(connection)),
            )
        )

    def _followed(self, connection: HTTPConnection) -> tuple[str, ...]:
        found: object = None if self._topics is None else self._topics(connection)
        if isinstance(found, str):
            found = (found,)
        if not isinstance(found, Iterable | None):
            raise TypeError(f"App(topics=): expected a list of texts, got {_what(found)}")
        return tuple(found or ())


def session_id(connection: HTTPConnection) -> str | None:
    """The id of the user's session, None before the first page."""
    found = connection.session.get(ID)
    return found if isinstance(found, str) else None


def keep_session(connection: HTTPConnection) -> None:
    """Make sure that the user has a session, and that it does not end while it is in use."""
    session = connection.session
    now = int(time.time())
    if session_id(connection) is None:
        session[ID] = secrets.token_urlsafe(18)
        session[SEEN] = now
    elif now - int(session.get(SEEN, 0)) > _RENEW_SECONDS:
        session[SEEN] = now


def session_audience(connection: HTTPConnection) -> str:
    """The audience that is this one session."""
    keep_session(connection)
    return f"session:{session_id(connection)}"


def owner_audience(key: object, what: str = "owner") -> str | None:
    """The audience of one owner, in all of their sessions. None for a key that names nobody: None,
    False, 0, or a text without any letter. Raises TypeError for what is not a key, such as True."""
    if key is None or key is False or key == 0 or (isinstance(key, str) and not key.strip()):
        return None
    if isinstance(key, bool) or not isinstance(key, str | int | UUID):
        if inspect.iscoroutine(key):
            key.close()  # Python would warn that it was "never awaited"
        raise TypeError(
            f"{what}: expected the key of the jobs' owner (a text, a whole number or a UUID), or "
            f"None for nobody, got {_what(key)}; for a user, give its id"
        )
    return f"owner:{key}"


def topic_audience(name: object) -> str:
    """The audience of everyone who follows a topic. Raises TypeError, ConfigurationError."""
    if not isinstance(name, str):
        raise TypeError(f"topic: expected a text, got {_what(name)}")
    if not name.strip():
        raise ConfigurationError(f"topic: expected the name of a topic, got {name!r}")
    return f"topic:{name}"


def _what(value: object) -> str:
    return f"{type(value).__name__} {value!r}" if isinstance(value, bool) else type(value).__name__
