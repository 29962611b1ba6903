"""Sockets: what a thousand open pages cost a busy server, in speed and in memory."""

from __future__ import annotations

import asyncio
import json
import resource
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from ..measures import DEADLINE_SECONDS, Result
from ..subjects import WrongCount, expect
from .http import Connection
from .server import served

UPLOAD_MANY = "/_sprag/actions/upload_many"
FILES = 8192
AT_ONCE = 20


def drain(folder: Path, sync: str, *, pages: int, sessions: int, jobs: int, pause: float) -> Result:
    """Jobs a second that 4 workers drain while so many pages listen, each to its session's jobs.

    Every job takes `pause` seconds and makes two moves. Afterwards each page must have been told
    of each move of its jobs, once.
    """
    _allow_files()
    with served("sprag", folder, sync, held=True, pause=pause) as port:
        return asyncio.run(_drain(port, pages, sessions, jobs))


def memory(folder: Path, sync: str, *, pages: int, deflate: bool) -> Result:
    """Bytes that each of so many open pages adds to the server, beside some that are open already:
    the first ones also start threads, which do not become more.
    """
    _allow_files()
    with served("sprag", folder, sync, deflate=deflate) as port:
        return asyncio.run(_grow(port, pages, deflate=deflate))


async def _drain(port: int, pages: int, sessions: int, jobs: int) -> Result:
    desk = await Connection.open(port)
    cookies = [await _new_session(desk, jobs // sessions) for _ in range(sessions)]
    before = await desk.ask("GET", "/desk/state")
    expect("jobs", before["queued"] + before["running"], jobs)
    moves = 2 * before["queued"] + before["running"]
    async with _open(port, cookies[:pages], deflate=False) as listening:
        drained = await desk.ask("POST", "/desk/drain")
        if listening:
            await _until(lambda: sum(page.told for page in listening) >= moves)
    if listening:
        expect("signals", sum(page.told for page in listening), moves)
    return {"rate": jobs / drained["seconds"], "moves": moves / drained["seconds"]}


async def _grow(port: int, pages: int, *, deflate: bool) -> Result:
    desk = await Connection.open(port)
    cookies = [await _new_session(desk, 0) for _ in range(AT_ONCE + pages)]
    async with _open(port, cookies[:AT_ONCE], deflate=deflate):
        before = await desk.ask("GET", "/desk/state")
        async with _open(port, cookies[AT_ONCE:], deflate=deflate):
            after = await desk.ask("GET", "/desk/state")
    return {"added": (after["resident"] - before["resident"]) / pages}


async def _new_session(desk: Connection, jobs: int) -> str:
    """The cookie of a new session that has so many jobs."""
    desk.cookie = ""
    await desk.ask("POST", UPLOAD_MANY, {"count": jobs})
    return desk.cookie


class Page:
    """A page that listens. `told` are the moves that it was told of."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.told = 0
        self._listening = asyncio.create_task(self._listen())

    async def close(self) -> None:
        await self._socket.close()
        await self._listening

    async def _listen(self) -> None:
        with suppress(ConnectionClosed):
            async for _signal in self._socket:
                self.told += 1


@asynccontextmanager
async def _open(port: int, cookies: Sequence[str], *, deflate: bool) -> AsyncIterator[list[Page]]:
    """A page of each session, from when all are connected."""
    pages: list[Page] = []
    try:
        for at in range(0, len(cookies), AT_ONCE):
            some = cookies[at : at + AT_ONCE]
            pages += await asyncio.gather(*(_connect(port, one, deflate=deflate) for one in some))
        yield pages
    finally:
        await asyncio.gather(*(page.close() for page in pages))


async def _connect(port: int, cookie: str, *, deflate: bool) -> Page:
    socket = await connect(
        f"ws://127.0.0.1:{port}/_sprag/socket",
        additional_headers={"Cookie": cookie},
        compression="deflate" if deflate else None,
    )
    first = json.loads(await socket.recv())
    if first["signal"] != "sprag:connected":
        raise WrongCount(f"expected to be connected, found {first}")
    return Page(socket)


async def _until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not done():
            await asyncio.sleep(0.01)


def _allow_files() -> None:
    """A socket is an open file, here and in the server, which inherits the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(FILES, hard), hard))
