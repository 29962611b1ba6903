"""Actions: how many requests a second a server answers that each enqueue a job."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from ..measures import Result
from ..subjects import expect
from .http import Connection
from .queue import ITEM
from .server import served

PATHS = {"sprag": "/_sprag/actions/upload_image", "bare": "/upload_image"}
BODIES = {"sprag": {"file_path": "a.png"}, "bare": ITEM}
"""The action adds to the item what the bare endpoint is sent."""

WARM_UP_SECONDS = 0.3


def actions(folder: Path, sync: str, *, subject: str, seconds: float, connections: int) -> Result:
    """Requests a second over so many connections that are kept alive.

    The queue runs, with every worker held up in a handler. `client` is the share of a core that
    the client took: near 1, it would be the client that was measured.
    """
    with served(subject, folder, sync, held=True) as port:
        return asyncio.run(_load(port, subject, seconds, connections))


async def _load(port: int, subject: str, seconds: float, connections: int) -> Result:
    opened = [await Connection.open(port) for _ in range(connections)]
    requests = []
    for connection in opened:
        asked = ("POST", PATHS[subject], BODIES[subject])
        await connection.ask(*asked)
        requests.append(connection.request(*asked))
    pairs = list(zip(opened, requests, strict=True))

    async def for_seconds(seconds: float) -> int:
        end = time.perf_counter() + seconds
        return sum(await asyncio.gather(*(_repeat(*pair, end) for pair in pairs)))

    accepted = connections + await for_seconds(WARM_UP_SECONDS)
    started, used = time.perf_counter(), time.process_time()
    answered = await for_seconds(seconds)
    wall, own = time.perf_counter() - started, time.process_time() - used
    state = await opened[0].ask("GET", "/desk/state")
    expect("accepted jobs", state["queued"] + state["running"], accepted + answered)
    for connection in opened:
        connection.close()
    return {"rate": answered / wall, "client": own / wall}


async def _repeat(connection: Connection, request: bytes, end: float) -> int:
    count = 0
    while time.perf_counter() < end:
        await connection.send(request)
        count += 1
    return count
