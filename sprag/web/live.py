"""What an application has in an event loop: the hub of its open pages, and its deferred calls."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Final

from anyio import CapacityLimiter

from ..queue.operators import QueueFile
from .deferred import Deferred
from .hub import Hub

_STOP_SECONDS: Final = 10.0


class Live:
    """The present hub and deferred calls; each is made at its first use. Up to `most` pages may be
    open, `most_of_session` for each session."""

    def __init__(self, file: Callable[[], QueueFile], most: int, most_of_session: int) -> None:
        self._file = file
        self._most = most
        self._most_of_session = most_of_session
        self._hub: Hub | None = None
        self._deferred: Deferred | None = None

    def hub(self) -> Hub:
        """The hub of this event loop."""
        hub = self._hub
        if hub is None or hub.loop is not asyncio.get_running_loop():
            self.leave()
            hub = self._hub = Hub(
                self._file(), most=self._most, most_per_session=self._most_of_session
            )
        return hub

    def defer(
        self, action: str, audience: str, call: Callable[[CapacityLimiter], Awaitable[Any]]
    ) -> str:
        """Let a deferred call go on; the id of its task."""
        if self._deferred is None:
            self._deferred = Deferred(self._file)
        return self._deferred.start(action, audience, call)

    def end_session(self, session: str) -> None:
        """Close the pages of a session whose rights changed: they come back with the new ones."""
        if self._hub is not None:
            self._hub.loop.call_soon_threadsafe(self._hub.end_session, session)

    async def finish(self) -> None:
        """Let the deferred calls end, and cancel those that take too long."""
        try:
            if self._deferred is not None:
                await self._deferred.finish(_STOP_SECONDS)
        finally:
            self._deferred = None  # not before: it refuses the calls that come meanwhile

    def leave(self) -> None:
        """Close all pages; from any thread."""
        hub, self._hub = self._hub, None
        if hub is not None:
            hub.unsubscribe()
            with contextlib.suppress(RuntimeError):  # its event loop has ended, and its pages
                hub.loop.call_soon_threadsafe(hub.close)
