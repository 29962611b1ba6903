"""WebSockets of pages that do not read what they are sent."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol


class PacedSocket(asyncio.Protocol):
    """A page's WebSocket, of which no more is read while it does not read: each ping is answered,
    and the answers would wait in memory without a bound.

    It passes everything on to uvicorn's own, which keeps this pace for messages only.
    """

    def __init__(self, *arguments: Any, **more: Any) -> None:
        self._inner = WebSocketsSansIOProtocol(*arguments, **more)
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._inner.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._inner.data_received(data)

    def eof_received(self) -> None:
        self._inner.eof_received()

    def pause_writing(self) -> None:
        self._inner.pause_writing()
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._inner.resume_writing()
        if self._transport is not None and not self._inner.read_paused:
            self._transport.resume_reading()
