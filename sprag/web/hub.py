"""The hub: one reader of the journal for all open pages, and a place in it for each.

The journal is the only buffer that matters. A page that keeps up is handed each
signal as it comes. One that falls behind, or comes back, reads what it missed
from the journal at its own position. So a slow page takes bounded memory, holds
up nobody, and misses nothing.
"""

from __future__ import annotations

import asyncio
import functools
from collections import deque
from typing import Final

import anyio.to_thread
from anyio import CapacityLimiter

from ..queue import DatabaseError, QueueClosed, Signal
from ..queue.operators import Log, QueueFile
from .news import Message, Position, message_of, read_news

log: Final = Log("sprag.web", here_always=True)

# How many signals may wait for a page before it has to read the journal instead.
_OUTBOX: Final = 100
_READERS: Final = 4
_RETRY_SECONDS: Final = 1.0


class Busy(Exception):
    """No more connections are allowed, or there is no file to read signals from."""


class Hub:
    """The open pages of one event loop. Made and used there; the journal is read in threads."""

    def __init__(self, file: QueueFile, *, most: int, most_per_session: int) -> None:
        self._file = file
        self._most = most
        self._most_per_session = most_per_session
        self._loop = asyncio.get_running_loop()
        self._readers = CapacityLimiter(_READERS)
        self._by_audience: dict[str, set[Connection]] = {}
        self._by_session: dict[str, set[Connection]] = {}
        self._count = 0
        self._heard: deque[tuple[str, Message]] = deque()
        self._called = False
        self._subscription = file.subscribe(self._hear, notices=True)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def __len__(self) -> int:
        return self._count

    def connect(self, session: str, audiences: frozenset[str], position: Position) -> Connection:
        """A new page, which gets the signals after `position`. Raises Busy."""
        mine = self._by_session.get(session, ())
        if self._count >= self._most or len(mine) >= self._most_per_session:
            raise Busy
        connection = Connection(self, session, audiences, position)
        self._count += 1
        self._by_session.setdefault(session, set()).add(connection)
        for audience in audiences:
            self._by_audience.setdefault(audience, set()).add(connection)
        return connection

    def disconnect(self, connection: Connection) -> None:
        """Forget a page; twice is fine."""
        mine = self._by_session.get(connection.session, set())
        if connection not in mine:
            return
        self._count -= 1
        _drop(self._by_session, connection.session, connection)
        for audience in connection.audiences:
            _drop(self._by_audience, audience, connection)

    def end_session(self, session: str) -> None:
        """Close the pages of a session whose rights changed: they come back with the new ones."""
        for connection in tuple(self._by_session.get(session, ())):
            connection.close()

    def unsubscribe(self) -> None:
        """Stop listening to the journal, and wait for the subscription's thread."""
        self._subscription.close(1.0)

    def close(self) -> None:
        """End all connections."""
        for connections in tuple(self._by_session.values()):
            for connection in tuple(connections):
                connection.close()

    async def read(
        self, audiences: frozenset[str], position: Position
    ) -> tuple[list[Message], bool]:
        """What happened after `position`, and whether there may be more."""
        return await anyio.to_thread.run_sync(
            functools.partial(read_news, self._file, audiences, position), limiter=self._readers
        )

    def _hear(self, signal: Signal) -> None:
        """In the subscription's thread."""
        audience = signal["audience"]
        if audience is None or audience not in self._by_audience:
            return
        self._heard.append((audience, message_of(signal)))
        if not self._called:
            # Cleared before the messages are taken, so that one that comes later calls again.
            self._called = True
            try:
                self._loop.call_soon_threadsafe(self._deliver)
            except RuntimeError:
                log.debug("a signal arrived after the event loop had ended")

    def _deliver(self) -> None:
        self._called = False
        while self._heard:
            audience, message = self._heard.popleft()
            for connection in self._by_audience.get(audience, ()):
                connection.put(message)


class Connection:
    """One page's place in the journal. Used only in the hub's event loop."""

    # Thousands of these may wait for a long time. So nothing here takes memory while it is empty,
    # as a deque or an Event would.
    __slots__ = ("_behind", "_closed", "_hub", "_missed", "_outbox", "_waiting", "audiences",
                 "position", "session")  # fmt: skip

    def __init__(
        self, hub: Hub, session: str, audiences: frozenset[str], position: Position
    ) -> None:
        self.session = session
        self.audiences = audiences
        self.position = position
        self._hub = hub
        self._missed: list[Message] = []  # in reverse order: the next one is at the end
        self._outbox: list[Message] = []
        # Until it has read the journal once, nobody knows what it missed.
        self._behind = True
        self._closed = False
        self._waiting: asyncio.Future[None] | None = None

    def put(self, message: Message) -> None:
        """Hand on a signal that was just committed."""
        if not self._behind:
            if len(self._outbox) < _OUTBOX:
                self._outbox.append(message)
            else:
                self._fall_behind()
        self._wake()

    async def next(self) -> str | None:
        """The next signal's JSON, which then counts as handed over; None once the connection is
        closed."""
        while not self._closed:
            message = self._take()
            if message is not None:
                position = message.after(self.position)
                if position is not None:
                    self.position = position
                    return f'{message.start},"cursor":"{position}"}}'
            elif self._behind:
                await self._catch_up()
            else:
                self._waiting = self._hub.loop.create_future()
                await self._waiting
        return None

    def close(self) -> None:
        """End it: `next` returns None."""
        self._closed = True
        self._hub.disconnect(self)
        self._wake()

    def _take(self) -> Message | None:
        if self._missed:
            return self._missed.pop()
        if self._behind or not self._outbox:
            return None
        return self._outbox.pop(0)

    def _wake(self) -> None:
        waiting = self._waiting
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    async def _catch_up(self) -> None:
        # From here on the hub hands over again. So what is committed during the read is in the
        # outbox, in what is read, or in both; then it is skipped the second time.
        self._behind = False
        try:
            missed, more = await self._hub.read(self.audiences, self.position)
        except QueueClosed:
            self.close()
        except DatabaseError as error:
            log.error(
                "could not read the signals that an open page missed, will try again: %s", error
            )
            self._fall_behind()
            await asyncio.sleep(_RETRY_SECONDS)
        else:
            self._missed = missed[::-1]
            if more:
                self._fall_behind()

    def _fall_behind(self) -> None:
        self._outbox.clear()
        self._behind = True


def _drop(index: dict[str, set[Connection]], key: str, connection: Connection) -> None:
    index[key].discard(connection)
    if not index[key]:
        del index[key]
