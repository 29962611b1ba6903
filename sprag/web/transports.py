"""How signals reach a page: a WebSocket, or the same content as Server-Sent Events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Final

import anyio.to_thread
from sse_starlette.sse import EventSourceResponse
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from ..queue import DatabaseError, QueueClosed
from ..queue.operators import Log, QueueFile
from .answers import refused
from .errors import ActionError
from .guards import Origins
from .hub import Busy, Connection, Hub
from .news import Position, start_at
from .visitor import Visitors, session_id

log: Final = Log("sprag.web", here_always=True)

_PING_SECONDS: Final = 15
_POLICY: Final = 1008
_LATER: Final = 1013
_GONE: Final = 1001


class Transports:
    """The endpoints `socket` and `events`."""

    def __init__(
        self,
        hub: Callable[[], Hub],
        file: Callable[[], QueueFile],
        visitors: Visitors,
        origins: Origins,
    ) -> None:
        self._hub = hub
        self._file = file
        self._visitors = visitors
        self._origins = origins

    async def socket(self, websocket: WebSocket) -> None:
        """Signals over a WebSocket, a JSON object a frame. The page itself sends nothing."""
        asking = HTTPConnection(websocket.scope)
        session = session_id(asking)
        if session is None or self._origins.refuses(asking):
            await websocket.close(_POLICY)  # before it is accepted: the browser gets a 403
            return
        try:
            connection = await self._connect(asking, session, None)
        except Busy:
            await websocket.close(_LATER)
            return
        # The request is not needed any more: what was parsed of it need not stay in memory.
        del asking
        websocket.scope.clear()
        try:
            await websocket.accept()
            await websocket.send_text(_connected(connection.position))
            await self._talk(websocket, connection)
        except (WebSocketDisconnect, RuntimeError):
            pass  # the page left in the middle of a frame
        finally:
            connection.close()

    async def events(self, request: Request) -> Response:
        """Signals as Server-Sent Events; the id of each is the cursor after it."""
        session = session_id(request)
        if self._origins.refuses(request):
            return refused(ActionError("Only pages of this site may listen", status=403,
                                       type="forbidden"))  # fmt: skip
        if session is None:
            return refused(ActionError("The session cookie, which every page sets, is missing",
                                       status=403, type="forbidden"))  # fmt: skip
        try:
            last = request.headers.get("last-event-id")
            connection = await self._connect(request, session, last)
        except Busy:
            return refused(
                ActionError(
                    "No further page can listen now. Try again later",
                    status=503,
                    type="unavailable",
                ),
                {"Retry-After": "5"},
            )
        return _Stream(connection)

    async def _connect(
        self, connection: HTTPConnection, session: str, last: str | None
    ) -> Connection:
        cursor = last or connection.query_params.get("after")

        def look() -> tuple[frozenset[str], Position]:
            return self._visitors.audiences(connection), start_at(self._file(), cursor)

        try:
            audiences, position = await anyio.to_thread.run_sync(look)
            return self._hub().connect(session, audiences, position)
        except QueueClosed as error:  # the application is about to stop
            raise Busy from error
        except DatabaseError as error:
            log.error(
                "could not read the signals for a page, which will try again later: %s", error
            )
            raise Busy from error

    async def _talk(self, websocket: WebSocket, connection: Connection) -> None:
        listening = asyncio.create_task(_until_left(websocket, connection))
        try:
            while (text := await connection.next()) is not None:
                await websocket.send_text(text)
            with suppress(RuntimeError):  # it was the page that left
                await websocket.close(_GONE)
        finally:
            listening.cancel()


class _Stream(EventSourceResponse):
    """An answer that lasts as long as the connection. However the answer ends, the connection ends
    with it, also if nothing is ever read, as for HEAD."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(
            _events(connection), headers={"Cache-Control": "no-store"}, ping=_PING_SECONDS
        )
        self._connection = connection

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._connection.close()


async def _until_left(websocket: WebSocket, connection: Connection) -> None:
    """End the connection when the page leaves, or sends something, which it should not."""
    with suppress(RuntimeError):
        await websocket.receive()
    connection.close()


async def _events(connection: Connection) -> AsyncIterator[dict[str, str]]:
    yield {"id": str(connection.position), "data": _connected(connection.position)}
    while (text := await connection.next()) is not None:
        yield {"id": str(connection.position), "data": text}


def _connected(position: Position) -> str:
    return json.dumps({"signal": "sprag:connected", "cursor": str(position)})
