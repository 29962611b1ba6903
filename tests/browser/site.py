"""A small real server that speaks the server's side of the wire, as a test tells it to."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import uvicorn
from playwright.sync_api import Page
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from sprag.browser import files
from sprag.http.files import File
from tests.support import DEADLINE, wait

Answer = Callable[[dict[str, Any]], Any]
POLICY = (
    "default-src 'none'; script-src 'self'{unsafe}; connect-src 'self'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' blob: data:; base-uri 'none'; "
    "form-action 'self'"
)


class Site:
    """One page, some actions, and signals with cursors, on a port that it keeps when restarted."""

    def __init__(self) -> None:
        self.actions: dict[str, Answer] = {}
        self.state: dict[str, Any] = {}
        self.sockets = True
        """Whether WebSockets get through."""
        self.asked: list[str] = []
        """Every path that was asked for, with the query."""
        self.called: list[tuple[str, dict[str, Any]]] = []
        self.journal: list[dict[str, Any]] = []
        self._ticks = 0
        self._html = ""
        self._modules: list[tuple[dict[str, Any], File]] = []
        self._listeners: set[asyncio.Queue[dict[str, Any] | str | None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def show(self, page: Page, html: str, *modules: Path, **state: Any) -> None:
        """Open a page with this content and these module files; return once it has started, or
        failed to."""
        self.open(page, html, *modules, **state)
        page.wait_for_selector("html[data-sprag=ready], html[data-sprag=failed]", state="attached")

    def open(self, page: Page, html: str, *modules: Path, **state: Any) -> None:
        """Like `show`, but return once the content is there."""
        self._html = html
        self._modules = []
        self.state = state
        for path in modules:
            asset = files.page_module(path)
            language = {".py": "python", ".js": "javascript"}[path.suffix]
            entry = {"url": f"/_sprag/assets/{asset.name}", "language": language}
            self._modules.append(({**entry, "name": path.stem}, asset))
        page.goto(self.url, wait_until="commit")

    def move(self, **fields: Any) -> dict[str, Any]:
        """A transition of a job: stored, numbered, and told to every connection."""
        seq = len(self.journal) + 1
        said = {
            "signal": "sprag:queue.job.changed",
            "cursor": f"{seq}.{self._ticks}",
            "seq": seq,
            "event": "start",
            **fields,
        }
        self.journal.append(said)
        self.tell(said)
        return said

    def progress(self, **fields: Any) -> None:
        self._ticks += 1
        cursor = f"{len(self.journal)}.{self._ticks}"
        signal = {"signal": "sprag:queue.job.changed", "cursor": cursor, "event": "progress"}
        self.tell({**signal, **fields})

    def restart_ticks(self) -> None:
        """Number progress from 1 again, as a new process of a server does."""
        self._ticks = 0

    def tell(self, said: dict[str, Any] | str | None) -> None:
        """Send this to every connection as it is; None hangs up."""

        def put() -> None:
            for listener in self._listeners:
                listener.put_nowait(said)

        self._on_loop(put)

    def wait_for_listener(self) -> None:
        """Return once somebody has connected."""
        pause = threading.Event()
        for _ in range(int(DEADLINE / 0.005)):
            if self._listeners:
                return
            pause.wait(0.005)
        raise AssertionError("nobody connected")

    def start(self) -> None:
        started = threading.Event()
        config = uvicorn.Config(
            Starlette(routes=self._routes()),
            host="127.0.0.1",
            port=self.port,
            log_level="critical",
            lifespan="off",
            ws="websockets-sansio",
            timeout_graceful_shutdown=1,
        )
        self._server = _Server(config, started)
        self._thread = threading.Thread(target=self._run, name="site")
        self._thread.start()
        wait(started, "the site's start")

    def stop(self) -> None:
        self._server.should_exit = True
        self.tell(None)
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        async def serve() -> None:
            self._loop = asyncio.get_running_loop()
            await self._server.serve()
            self._loop = None

        asyncio.run(serve())

    def _on_loop(self, do: Callable[[], None]) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(do)

    def _routes(self) -> list[Route | WebSocketRoute]:
        return [
            Route("/", self._page),
            Route("/_sprag/assets/{name}", self._asset),
            Route("/_sprag/actions/{name}", self._action, methods=["POST"]),
            Route("/_sprag/events", self._events),
            WebSocketRoute("/_sprag/socket", self._socket),
            Route("/{path:path}", self._nothing),
        ]

    async def _page(self, request: Request) -> Response:
        python = any(entry["language"] == "python" for entry, _ in self._modules)
        names = asdict(files.python_names()) if python else {}
        config = {
            "base": "/_sprag",
            "cursor": f"{len(self.journal)}.{self._ticks}",
            "state": self.state,
            "modules": [entry for entry, _ in self._modules],
            "python": {key: f"/_sprag/assets/{name}" for key, name in names.items()} or None,
        }
        said = json.dumps(config).replace("<", "\\u003c").replace(">", "\\u003e")
        html = (
            '<!doctype html><html lang="en"><head><title>test</title>'
            '<link rel="icon" href="data:,">'
            f'<script src="/_sprag/assets/{files.early_name()}"></script>'
            f'<script type="application/json" id="sprag-page">{said}</script>'
            '<script type="module" id="sprag-script" '
            f'src="/_sprag/assets/{files.script_name()}"></script>'
            f"</head><body>{self._html}</body></html>"
        )
        policy = POLICY.format(unsafe=" 'unsafe-eval'" if python else "")
        headers = {"Content-Security-Policy": policy}
        return Response(html, media_type="text/html", headers=headers)

    async def _asset(self, request: Request) -> Response:
        self.asked.append(request.url.path)
        python = any(entry["language"] == "python" for entry, _ in self._modules)
        assets = [*files.core_assets(), *(files.python_assets() if python else ())]
        for asset in [*assets, *(asset for _, asset in self._modules)]:
            if asset.name == request.path_params["name"]:
                headers = {"Content-Encoding": "gzip"}
                return Response(asset.gzipped, media_type=asset.media_type, headers=headers)
        return Response("no such asset", 404)

    async def _nothing(self, request: Request) -> Response:
        self.asked.append(request.url.path)
        return Response("nothing here", 404)

    async def _action(self, request: Request) -> Response:
        name = request.path_params["name"]
        if request.headers["content-type"].startswith("multipart/form-data"):
            async with request.form() as form:
                payload = json.loads(str(form["payload"]))
                for key, part in form.multi_items():
                    if isinstance(part, UploadFile):
                        content = (await part.read()).decode()
                        payload.setdefault(key, []).append([part.filename, content])
        else:
            payload = await request.json()
        self.called.append((name, payload))
        if name not in self.actions:
            error = {"type": "unknown_action", "message": f"no action {name}", "fields": []}
            return JSONResponse({"ok": False, "error": error}, 404)
        answer = await asyncio.to_thread(self.actions[name], payload)
        if isinstance(answer, Response):
            return answer
        return JSONResponse({"ok": True, "value": answer})

    def _said_since(self, after: str) -> tuple[list[dict[str, Any]], asyncio.Queue[Any]]:
        queue: asyncio.Queue[Any] = asyncio.Queue()
        self._listeners.add(queue)
        seq = int(after.partition(".")[0])
        cursor = f"{len(self.journal)}.{self._ticks}"
        return [{"signal": "sprag:connected", "cursor": cursor}, *self.journal[seq:]], queue

    async def _socket(self, connection: WebSocket) -> None:
        self.asked.append(f"{connection.url.path}?{connection.url.query}")
        if not self.sockets:
            await connection.close()
            return
        await connection.accept()
        first, queue = self._said_since(connection.query_params["after"])
        sender = asyncio.create_task(self._send(connection, first, queue))
        try:
            while True:
                await connection.receive()
                if sender.done():
                    break
        except (WebSocketDisconnect, RuntimeError):
            pass
        finally:
            self._listeners.discard(queue)
            sender.cancel()

    async def _send(
        self, connection: WebSocket, first: list[dict[str, Any]], queue: asyncio.Queue[Any]
    ) -> None:
        for said in first:
            await connection.send_text(json.dumps(said))
        while (said := await queue.get()) is not None:
            await connection.send_text(said if isinstance(said, str) else json.dumps(said))
        await connection.close(1012)

    async def _events(self, request: Request) -> Response:
        self.asked.append(f"{request.url.path}?{request.url.query}")
        first, queue = self._said_since(request.query_params["after"])

        async def stream() -> AsyncIterator[str]:
            try:
                for said in first:
                    yield f"data: {json.dumps(said)}\n\n"
                while (said := await queue.get()) is not None:
                    yield f"id: {said.get('cursor')}\ndata: {json.dumps(said)}\n\n"
            finally:
                self._listeners.discard(queue)

        return StreamingResponse(stream(), media_type="text/event-stream")


class _Server(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, config: uvicorn.Config, started: threading.Event) -> None:
        super().__init__(config)
        self._event = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._event.set()
