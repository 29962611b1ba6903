"""The same by hand: Starlette, a queue, and a page with thirty lines of JavaScript."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from .queue import Desk, ImageQueue

PAGE = Path(__file__).with_name("bare.html")


class Bare:
    """Every page is told of every job: no sessions, no checks, nothing to resume."""

    def __init__(self, queue: ImageQueue, desk: Desk) -> None:
        self._queue = queue
        self._desk = desk
        self._pages: set[WebSocket] = set()

    def application(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/", self._page),
                Route("/upload_image", self._upload_image, methods=["POST"]),
                Route("/job_status", self._job_status, methods=["POST"]),
                WebSocketRoute("/socket", self._socket),
                Mount("/desk", self._desk.application()),
            ],
            lifespan=self._lifespan,
        )

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()

        def changed(signal: dict[str, Any]) -> None:
            if self._pages:
                asyncio.run_coroutine_threadsafe(self._tell(json.dumps(signal)), loop)

        with self._queue, self._queue.subscribe(changed):
            self._desk.watch_commits()
            yield

    async def _tell(self, text: str) -> None:
        for page in tuple(self._pages):
            await page.send_text(text)

    async def _page(self, _request: Request) -> Response:
        return HTMLResponse(PAGE.read_text())

    async def _upload_image(self, request: Request) -> Response:
        item = await request.json()
        job = await run_in_threadpool(self._queue.enqueue, item)
        return JSONResponse({"job_id": job.id, "status": job.status})

    async def _job_status(self, request: Request) -> Response:
        asked = await request.json()
        job = await run_in_threadpool(self._queue.get, asked["job_id"])
        return JSONResponse({"job_id": job.id, "status": job.status})

    async def _socket(self, websocket: WebSocket) -> None:
        await websocket.accept()
        self._pages.add(websocket)
        try:
            await websocket.receive_text()
        except WebSocketDisconnect:
            pass
        finally:
            self._pages.discard(websocket)
