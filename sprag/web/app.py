"""`App`: an ASGI application around durable queues.

    app = App(routes="app.routes", providers={"images": ImageQueue()}, database="jobs.db")

Serve it with `sprag run main:app` or `uvicorn main:app`; in scripts and tests,
`with app:` starts its queues.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Collection, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import anyio.to_thread
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from ..queue import QueueService
from ..queue.operators import QueueFile
from .assembly import Parts, assemble
from .errors import StartupError
from .guards import Origins
from .hosts import Hosts, refuse_host
from .keys import Keys
from .life import Life
from .lifespan import speak_lifespan
from .live import Live
from .options import BASE, VISIT, is_dotted, one_file, providers_of
from .pages import AnyShell
from .payloads import Limits
from .transports import Transports
from .visitor import Identify, Topics, Visitors


class App:
    """A web application with durable queues; an ASGI application.

    `routes` is the import path of the package with the controllers, `shell` the frame of its
    pages (a Jinja2 template, its path or text, or a callable that takes a `Page`), `providers`
    the queues, by the names that controllers use. `database` is the file that all queues share;
    without it, all of them must name the same file.

    `identify(connection)` returns the key of the user whom the jobs belong to, such as the
    user's id, or None if they belong to the session only; `topics(connection)` returns the
    topics that the user may follow. `static` is a folder served at /static, `mounts` other ASGI
    applications by path, `dashboard` the path of the dashboard, with `dashboard_token` (16
    characters or more, else the environment's SPRAG_DASHBOARD_TOKEN; without one it answers
    only requests from this machine). `secret` signs the cookies; by default it is the
    environment's SPRAG_SECRET, or else is kept beside the database. `hosts` are the names of
    the site; without them, requests from this machine itself must be made to localhost or an IP
    address. `origins` are other sites whose pages may call, `headers` replace the default ones.
    A call may send up to `max_body_bytes`, or `max_upload_bytes` with files. Up to
    `max_connections` pages may be open, `max_session_connections` for each session. Up to
    `threads` plain actions run at once. With `run_jobs` false, jobs are left to other
    processes, such as `sprag work`. `stylesheet` says whether pages get the default stylesheet;
    by default, they do if there is no `shell`. With `debug`, as under `sprag run --reload`,
    requests from this machine are shown tracebacks.

    Mistakes raise StartupError: here, or when the application starts.
    """

    def __init__(
        self,
        *,
        routes: str,
        shell: AnyShell | None = None,
        providers: Mapping[str, QueueService] | None = None,
        database: str | Path | None = None,
        identify: Identify | None = None,
        topics: Topics | None = None,
        static: str | Path | None = None,
        mounts: Mapping[str, ASGIApp] | None = None,
        dashboard: str | None = None,
        dashboard_token: str | None = None,
        secret: str | None = None,
        hosts: Collection[str] | None = None,
        origins: Collection[str] = (),
        headers: Mapping[str, str] | None = None,
        max_body_bytes: int = 1024 * 1024,
        max_upload_bytes: int = 32 * 1024 * 1024,
        max_connections: int = 10_000,
        max_session_connections: int = 100,
        threads: int = 40,
        run_jobs: bool = True,
        stylesheet: bool | None = None,
        debug: bool = False,
    ) -> None:
        if not is_dotted(routes):
            raise StartupError(
                f"App: routes: expected an import path such as 'app.routes', got {routes!r}"
            )
        self.queues: dict[str, QueueService] = providers_of(providers or {})
        """The providers, by name."""
        self.database: str = one_file(self.queues, database)
        """The absolute path of the file."""
        self.visitors = Visitors(identify, topics)
        self.debug = debug
        """True if requests from this machine are shown tracebacks; read when it is built."""
        self._keys = Keys(self.database, secret)
        self._hosts = Hosts(hosts)
        self._live = Live(lambda: self.file, max_connections, max_session_connections)
        self._life = Life(
            self.queues, self.database, run_jobs=run_jobs, prepare=self.build,
            opened=self._keys.cookie, leave=self._live.leave,
        )  # fmt: skip
        guards = Origins(origins)
        self._transports = Transports(self._live.hub, lambda: self.file, self.visitors, guards)
        self._parts = Parts(
            routes=routes,
            shell=shell,
            stylesheet=shell is None if stylesheet is None else stylesheet,
            static=static,
            mounts=dict(mounts or {}),
            dashboard=dashboard,
            dashboard_token=dashboard_token,
            headers=dict(headers or {}),
            threads=threads,
            limits=Limits(max_body_bytes, max_upload_bytes),
            origins=guards,
            transports=self._transports,
            keys=self._keys,
            live=self._live,
        )
        self._asgi: Starlette | None = None

    # ------------------------------------------------------------ start and stop

    def build(self) -> Starlette:
        """Find the controllers and put everything together, once. Raises StartupError."""
        with self._life.lock:
            if self._asgi is None:
                self._asgi = assemble(self, self._parts)
            return self._asgi

    def start(self) -> Self:
        """Check everything, open the file and start the queues. Each start needs a stop."""
        self._life.start()
        return self

    def stop(self) -> None:
        """Stop all queues at the same time, each with its grace, and close the file."""
        self._life.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @contextlib.asynccontextmanager
    async def lifespan(self, _app: Any = None) -> AsyncIterator[None]:
        """Start the application, and stop it at the end. A framework that mounts it needs this:
        `FastAPI(lifespan=app.lifespan)`."""
        await anyio.to_thread.run_sync(self.start)
        try:
            yield
        finally:
            with anyio.CancelScope(shield=True):
                try:
                    await self._live.finish()
                finally:  # a server that waits no longer cancels the task itself
                    await anyio.to_thread.run_sync(self.stop)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await speak_lifespan(self.lifespan(), receive, send)
            return
        if not self._life.has_begun:
            # A server or framework that runs no lifespan: the first request starts the queues.
            await anyio.to_thread.run_sync(self._life.start_late)
        if self._hosts.refuses(scope):
            await refuse_host(scope, receive, send)
            return
        # A copy: an outer application must not find our session in its scope.
        scope = dict(scope)
        if scope["type"] == "websocket" and _inside(scope) == f"{BASE}/socket":
            # Past all middleware, which has nothing to add here: its stack frames would stay alive
            # with each of thousands of open pages, and take a quarter of the memory of each.
            scope["app"] = self._asgi or self.build()
            scope["session"] = self._keys.cookie().session(HTTPConnection(scope))
            await self._transports.socket(WebSocket(scope, receive, send))
            return
        await (self._asgi or self.build())(scope, receive, send)

    # ------------------------------------------------------------ for controllers

    def queue(self, name: str) -> QueueService:
        """The provider of that name. Raises LookupError."""
        try:
            return self.queues[name]
        except KeyError:
            known = ", ".join(map(repr, self.queues)) or "none"
            raise LookupError(
                f"there is no provider {name!r}; App(providers=) has {known}"
            ) from None

    def audience_of(self, scope: Mapping[str, Any]) -> str:
        """The audience of the user who makes a request to a mounted application. Its code passes
        it to `enqueue(audience=)`, so that the user's pages get the signals. `scope` is the
        request's ASGI scope. Raises LookupError for a request that did not come through this
        application."""
        if VISIT not in scope:
            raise LookupError("expected the scope of a request to an application in App(mounts=)")
        return self.visitors.owner(HTTPConnection({**scope, "session": scope[VISIT]}))

    @property
    def file(self) -> QueueFile:
        """The open file. Raises QueueClosed before the start and after the stop."""
        return self._life.file


def _inside(scope: Scope) -> str:
    """The path of a request as the application sees it, wherever it is mounted."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))
