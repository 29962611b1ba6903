"""A server of one application, as a process: `python -m _bench.web.serve SETTINGS`.

Prints its port when it serves, and ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from sprag import App

from .bare import Bare
from .queue import NAME, Desk, ImageQueue


def application(subject: str, queue: ImageQueue) -> ASGIApp:
    """The application of `subject`, "sprag" or "bare"."""
    desk = Desk(queue)
    if subject == "bare":
        return Bare(queue, desk).application()
    return Watched(
        routes="_bench.web.pages",
        providers={NAME: queue},
        database=queue.path,
        mounts={"/desk": desk.application()},
        desk=desk,
    )


class Watched(App):
    """An application whose commits are watched from its start on."""

    def __init__(self, *, desk: Desk, **options: Any) -> None:
        super().__init__(**options)
        self._desk = desk

    @asynccontextmanager
    async def lifespan(self, _app: Any = None) -> AsyncIterator[None]:
        async with super().lifespan(_app):
            self._desk.watch_commits()
            yield


async def serve(asgi: ASGIApp, *, deflate: bool) -> None:
    """Serve until standard input ends. Both applications get the settings of `sprag run`."""
    config = uvicorn.Config(
        asgi,
        port=0,
        log_level="warning",
        access_log=False,
        ws_per_message_deflate=deflate,
        # What measures may be silent for long while it opens its sockets.
        timeout_keep_alive=300,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
        if serving.done():
            raise SystemExit("the server did not start")
    print(server.servers[0].sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.should_exit = True
    await serving


def main() -> None:
    """Serve as the command line says."""
    settings = json.loads(sys.argv[1])
    queue = ImageQueue(
        Path(settings["folder"]), settings["sync"], held=settings["held"], pause=settings["pause"]
    )
    queue.grace_seconds = 0.0
    asyncio.run(serve(application(settings["subject"], queue), deflate=settings["deflate"]))


if __name__ == "__main__":
    main()
