"""The least that speaks HTTP, so that a client is never what limits a server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Self


class Refused(Exception):
    """An answer that is not what was asked for."""


class Connection:
    """One that is kept alive. Requests go one after the other, answers are read whole."""

    def __init__(
        self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._port = port
        self._reader = reader
        self._writer = writer
        self.cookie = ""

    @classmethod
    async def open(cls, port: int) -> Self:
        return cls(port, *await asyncio.open_connection("127.0.0.1", port))

    def request(self, method: str, path: str, body: object = None) -> bytes:
        """A request, ready to be sent, with the cookie that was set before."""
        text = b"" if body is None else json.dumps(body).encode()
        headers = {
            "Host": f"127.0.0.1:{self._port}",
            "Content-Type": "application/json",
            "Content-Length": str(len(text)),
        }
        if self.cookie:
            headers["Cookie"] = self.cookie
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {headers[name]}" for name in headers)]
        return "\r\n".join([*lines, "", ""]).encode() + text

    async def send(self, request: bytes) -> bytes:
        """The body of the answer. Raises Refused unless it went well."""
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        status = head.split(b" ", 2)[1]
        headers = _headers(head)
        body = await self._reader.readexactly(int(headers[b"content-length"]))
        if status != b"200":
            raise Refused(f"{status.decode()}: {body.decode()}")
        if b"set-cookie" in headers:
            self.cookie = headers[b"set-cookie"].partition(b";")[0].decode()
        return body

    async def ask(self, method: str, path: str, body: object = None) -> Any:
        """The JSON of the answer."""
        return json.loads(await self.send(self.request(method, path, body)))

    def close(self) -> None:
        self._writer.close()


def _headers(head: bytes) -> Mapping[bytes, bytes]:
    lines = (line.partition(b":") for line in head.split(b"\r\n")[1:])
    return {name.lower(): value.strip() for name, _colon, value in lines}
