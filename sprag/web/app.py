"""`App`: an ASGI application around durable queues.

    app = App(routes="app.routes", providers={"images": ImageQueue()}, database="jobs.db")

Serve it with `sprag run main:app` or `uvicorn main:app`; in scripts and tests,
`with app:` starts its queues.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import threading
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import anyio.to_thread
from anyio import CapacityLimiter
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from ..dashboard import dashboard
from ..queue import QueueService
from ..queue import errors as queue_errors
from ..queue.options import Settings, settings_of
from ..queue.threads.elsewhere import elsewhere
from ..queue.threads.inside import owned, refuse_reentry
from ..queue.threads.logs import Log, settle
from ..queue.together import hurry_of, stop_together
from ..queue.work.engine import Engine
from .assets import Assets
from .calls import Calls, Endpoint, Limits
from .deferred import Deferred
from .discovery import Found, actions_by_name, check_load, discover
from .errors import ActionError, StartupError
from .guards import Headers, Origins
from .hosts import Hosts, refuse_host
from .hub import Hub, head
from .mentions import check_actions, check_providers
from .options import BASE, VISIT, is_dotted, mount, mount_path, one_file, providers_of, static_files
from .pages import Frame, PageView
from .secret import check_secret, cookie_name, secret_of
from .session import Cookie, Sessions
from .templates import make_environment
from .transports import Transports
from .trouble import Trouble
from .visitor import Identify, Topics, Visitors

log: Final = Log("sprag.web")

TOKEN_VARIABLE: Final = "SPRAG_DASHBOARD_TOKEN"
_STOP_SECONDS: Final = 10.0


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
        shell: Any = None,
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
        self._routes = routes
        self._shell = shell
        self.queues: dict[str, QueueService] = providers_of(providers or {})
        """The providers, by name."""
        self.database: str = one_file(self.queues, database)
        """The absolute path of the file."""
        self.visitors = Visitors(identify, topics)
        self._static = static
        self._mounts = dict(mounts or {})
        self._dashboard = dashboard
        self._dashboard_token = dashboard_token
        self._secret = None if secret is None else check_secret(secret)
        self._hosts = Hosts(hosts)
        self._origins = Origins(origins)
        self._headers = dict(headers or {})
        self._transports = Transports(
            self._hub_here, lambda: self.engine, self.visitors, self._origins
        )
        self._limits = Limits(max_body_bytes, max_upload_bytes)
        self._most = (max_connections, max_session_connections)
        self._thread_count = threads
        self._run_jobs = run_jobs
        self._stylesheet = shell is None if stylesheet is None else stylesheet
        self.debug = debug
        """True if requests from this machine are shown tracebacks; read when it is built."""
        self._life = threading.RLock()
        self._is_starting_or_stopping = owned(self._life)
        self._users = 0
        self._engine: Engine | None = None
        self._asgi: Starlette | None = None
        self._session_cookie: Cookie | None = None
        self._hub: Hub | None = None
        self._deferred: Deferred | None = None

    # ------------------------------------------------------------ start and stop

    def build(self) -> Starlette:
        """Find the controllers and put everything together, once. Raises StartupError."""
        with self._life:
            if self._asgi is None:
                self._asgi = self._assemble()
            return self._asgi

    def start(self) -> Self:
        """Check everything, open the file and start the queues. Each start needs a stop."""
        self._refuse_reentry()
        self.build()  # here: a module of controllers may want to be imported in this thread
        elsewhere("start", self._start, undo=self._stop)
        settle()
        return self

    def _start(self) -> None:
        with self._life:
            self.build()
            if self._users == 0:
                self._begin()
            self._users += 1

    def stop(self) -> None:
        """Stop all queues at the same time, each with its grace, and close the file."""
        self._refuse_reentry()
        elsewhere("stop", self._stop, interrupted=hurry_of(self.queues.values()))
        settle()

    def _stop(self) -> None:
        with self._life:
            if self._users == 0:
                return
            self._users -= 1
            if self._users:
                return
            try:
                stop_together(self.queues.values())
            finally:
                self._close()

    def _refuse_reentry(self) -> None:
        """Raise ReentrantCall if this thread was interrupted in a start or a stop."""
        refuse_reentry()
        if self._is_starting_or_stopping():
            raise queue_errors.ReentrantCall

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
                    if self._deferred is not None:
                        await self._deferred.finish(_STOP_SECONDS)
                finally:  # a server that waits no longer cancels the task itself
                    self._deferred = None
                    await anyio.to_thread.run_sync(self.stop)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if self._engine is None:
            # A server or framework that runs no lifespan: the first request starts the queues.
            await anyio.to_thread.run_sync(self._start_late)
        if self._hosts.refuses(scope):
            await refuse_host(scope, receive, send)
            return
        # A copy: an outer application must not find our session in its scope.
        scope = dict(scope)
        if scope["type"] == "websocket" and _inside(scope) == f"{BASE}/socket":
            # Past all middleware, which has nothing to add here: its stack frames would stay alive
            # with each of thousands of open pages, and take a quarter of the memory of each.
            scope["app"] = self._asgi or self.build()
            scope["session"] = self._cookie().session(HTTPConnection(scope))
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
    def engine(self) -> Engine:
        """The open file. Raises QueueClosed before the start and after the stop."""
        engine = self._engine
        if engine is None:
            raise queue_errors.QueueClosed("the application is not started")
        return engine

    # ------------------------------------------------------------ helpers

    async def _live(self, receive: Receive, send: Send) -> None:
        """The lifespan protocol. A failure is reported in a message of the protocol, because
        servers take a mere exception for "no lifespan here", and serve. It is raised too, because
        Starlette's TestClient raises only that."""
        await receive()
        step = "startup"
        try:
            async with self.lifespan():
                await send({"type": "lifespan.startup.complete"})
                step = "shutdown"
                await receive()
        except BaseException as error:
            # The messages of our own errors need no traceback.
            says_all = isinstance(error, queue_errors.QueueError)
            message = str(error) if says_all else traceback.format_exc()
            await send({"type": f"lifespan.{step}.failed", "message": message})
            raise
        else:
            await send({"type": "lifespan.shutdown.complete"})

    def _working(self) -> list[QueueService]:
        """The queues whose jobs run here: not those that only enqueue."""
        plain = QueueService.handle_item
        handled = [queue for queue in self.queues.values() if type(queue).handle_item is not plain]
        return handled if self._run_jobs else []

    def _start_late(self) -> None:
        with self._life:
            if self._users == 0:
                log.warning(
                    "the server did not run the application's lifespan: its queues start with the "
                    "first request, and will not be stopped in order. See App.lifespan"
                )
                self._start()
        settle()

    def _begin(self) -> None:
        self._open()
        begun: list[QueueService] = []
        try:
            self._cookie()
            for queue in self._working():
                begun.append(queue)  # before: what fails may have opened the file
                queue.start()
        except BaseException:
            try:
                for queue in begun:
                    queue.stop(0.0)
            finally:
                self._close()
            raise

    def _open(self) -> None:
        first = next(iter(self.queues.values()), None)
        # The settings of the first queue hold for the whole file.
        settings = Settings() if first is None else settings_of(first)
        self._engine = Engine.open(
            self.database,
            settings.durability,
            vfs=settings.vfs,
            flags=settings.open_flags,
            busy_seconds=settings.busy_seconds,
        )

    def _drop_hub(self) -> None:
        hub, self._hub = self._hub, None
        if hub is not None:
            hub.unsubscribe()
            with contextlib.suppress(RuntimeError):  # its event loop has ended, and its pages
                hub.loop.call_soon_threadsafe(hub.close)

    def _close(self) -> None:
        self._drop_hub()
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.close()

    def _cookie_secret(self) -> str:
        if self._secret is None:
            self._secret = secret_of(self.database)
        return self._secret

    def _cookie(self) -> Cookie:
        if self._session_cookie is None:
            secret = self._cookie_secret()
            self._session_cookie = Cookie(cookie_name(self.database, secret), secret)
        return self._session_cookie

    def _hub_here(self) -> Hub:
        """The hub of this event loop."""
        hub = self._hub
        if hub is None or hub.loop is not asyncio.get_running_loop():
            self._drop_hub()
            pages, of_session = self._most
            hub = self._hub = Hub(self.engine, most=pages, most_per_session=of_session)
        return hub

    def _defer(
        self, action: str, audience: str, call: Callable[[CapacityLimiter], Awaitable[Any]]
    ) -> str:
        if self._deferred is None:
            self._deferred = Deferred(lambda: self.engine)
        return self._deferred.start(action, audience, call)

    def _changed(self, session: str) -> None:
        if self._hub is not None:
            self._hub.loop.call_soon_threadsafe(self._hub.end_session, session)

    def _assemble(self) -> Starlette:
        found = discover(self._routes)
        check_providers(found.controllers, self.queues)
        actions = actions_by_name(found.controllers)
        check_actions(found.controllers, actions)
        trouble = Trouble(debug=self.debug)
        environment = make_environment(found.folder)
        assets = Assets()
        sheet = assets.add_stylesheet() if self._stylesheet else None
        frame = Frame(self._shell, environment, found.folder, sheet)
        threads = CapacityLimiter(self._thread_count)
        calls = Calls(
            {
                name: Endpoint(action, functools.partial(controller.kind, self))
                for name, (controller, action) in actions.items()
            },
            self._origins,
            self._limits,
            threads,
            self._defer,
            debug=self.debug,
        )
        routes: list[BaseRoute] = [
            Route(f"{BASE}/actions/{{name}}", _Endpoint(calls)),
            Route(f"{BASE}/events", self._transports.events, methods=["GET"]),
            Route(f"{BASE}/assets/{{name}}", assets.__call__, methods=["GET"]),
        ]

        def page(controller: Found) -> Route:
            view = PageView(
                controller,
                functools.partial(controller.kind, self),
                environment,
                frame,
                assets,
                threads,
                lambda: head(self.engine),
                debug=self.debug,
            )
            try:
                route = Route(str(controller.kind.route), view.__call__, methods=["GET"])
            except (AssertionError, ValueError) as error:  # Starlette's words for a wrong path
                raise StartupError(f"{controller.name}.route: {error}") from error
            check_load(controller.kind, sorted(route.param_convertors))
            return route

        routes += [page(one) for one in found.controllers if one.kind.route is not None]
        if self._static is not None:
            routes.append(Mount("/static", static_files(self._static, found.folder), name="static"))
        if self._dashboard is not None:
            routes.append(Mount(mount_path("dashboard", self._dashboard), self._make_dashboard()))
        routes += [mount(path, inner) for path, inner in self._mounts.items()]
        return Starlette(
            routes=routes,
            middleware=[
                Middleware(Headers, headers=self._headers),
                Middleware(Sessions, cookie=self._cookie, changed=self._changed),
            ],
            exception_handlers={
                queue_errors.JobNotFound: trouble.not_found,
                HTTPException: trouble.http,
                ActionError: trouble.refused,
                Exception: trouble.internal,
            },
            lifespan=self.lifespan,
        )

    def _make_dashboard(self) -> ASGIApp:
        token = self._dashboard_token or os.environ.get(TOKEN_VARIABLE)
        if token is None:
            log.info(
                "the dashboard at %s has no token and answers only requests from this machine. "
                "Behind a proxy on this machine, anyone may seem to be local: set %s there",
                self._dashboard,
                TOKEN_VARIABLE,
            )
        secret = "" if token is None else self._cookie_secret()
        return dashboard(lambda: self.engine, token=token, secret=secret)


class _Endpoint:
    """An ASGI application that answers every method, including those it refuses."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._calls(Request(scope, receive, send))
        await response(scope, receive, send)


def _inside(scope: Scope) -> str:
    """The path of a request as the application sees it, wherever it is mounted."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))
