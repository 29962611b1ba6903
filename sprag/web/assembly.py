"""An application, put together: every mistake that can be found before it serves is found here."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from anyio import CapacityLimiter
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from ..dashboard import dashboard
from ..http.headers import ProtectedAnswers
from ..queue import JobNotFound
from ..queue.operators import Log
from .actions import Action
from .assets import Assets
from .calls import Calls, Endpoint
from .discovery import Found, actions_by_name, check_load, discover
from .errors import ActionError, StartupError
from .guards import Origins
from .keys import Keys
from .live import Live
from .mentions import check_actions, check_providers
from .news import head
from .options import BASE, mount, mount_path, static_files
from .pages import AnyShell, Frame, PageView
from .payloads import Limits
from .session import Sessions
from .templates import make_environment
from .transports import Transports
from .trouble import Trouble

if TYPE_CHECKING:
    from .app import App

log: Final = Log("sprag.web")

TOKEN_VARIABLE: Final = "SPRAG_DASHBOARD_TOKEN"


@dataclass(frozen=True, slots=True)
class Parts:
    """What an application is put together from; `App` says what most of it means."""

    routes: str
    shell: AnyShell | None
    stylesheet: bool
    static: str | Path | None
    mounts: Mapping[str, ASGIApp]
    dashboard: str | None
    dashboard_token: str | None
    headers: Mapping[str, str]
    threads: int
    limits: Limits
    origins: Origins
    transports: Transports
    keys: Keys
    live: Live


def assemble(app: App, parts: Parts) -> Starlette:
    """The application that answers requests. Raises StartupError."""
    found = discover(parts.routes)
    check_providers(found.controllers, app.queues)
    actions = actions_by_name(found.controllers)
    check_actions(found.controllers, actions)
    threads = CapacityLimiter(parts.threads)
    assets = Assets()
    routes: list[BaseRoute] = [
        Route(f"{BASE}/actions/{{name}}", _Endpoint(_calls(app, parts, actions, threads))),
        Route(f"{BASE}/events", parts.transports.events, methods=["GET"]),
        Route(f"{BASE}/assets/{{name}}", assets.__call__, methods=["GET"]),
    ]
    environment = make_environment(found.folder)
    sheet = assets.add_stylesheet() if parts.stylesheet else None
    frame = Frame(parts.shell, environment, found.folder, sheet)

    def page(controller: Found) -> Route:
        view = PageView(
            controller,
            functools.partial(controller.kind, app),
            environment,
            frame,
            assets,
            threads,
            lambda: head(app.file),
            debug=app.debug,
        )
        try:
            route = Route(str(controller.kind.route), view.__call__, methods=["GET"])
        except (AssertionError, ValueError) as error:  # Starlette's words for a wrong path
            raise StartupError(f"{controller.name}.route: {error}") from error
        check_load(controller.kind, sorted(route.param_convertors))
        return route

    routes += [page(one) for one in found.controllers if one.kind.route is not None]
    if parts.static is not None:
        routes.append(Mount("/static", static_files(parts.static, found.folder), name="static"))
    if parts.dashboard is not None:
        path = mount_path("dashboard", parts.dashboard)
        routes.append(Mount(path, _dashboard(app, parts)))
    routes += [mount(path, inner) for path, inner in parts.mounts.items()]
    return _starlette(app, parts, routes)


def _starlette(app: App, parts: Parts, routes: list[BaseRoute]) -> Starlette:
    trouble = Trouble(debug=app.debug)
    return Starlette(
        routes=routes,
        middleware=[
            Middleware(ProtectedAnswers, headers=parts.headers),
            Middleware(Sessions, cookie=parts.keys.cookie, changed=parts.live.end_session),
        ],
        exception_handlers={
            JobNotFound: trouble.not_found,
            HTTPException: trouble.http,
            ActionError: trouble.refused,
            Exception: trouble.internal,
        },
        lifespan=app.lifespan,
    )


def _calls(
    app: App, parts: Parts, actions: Mapping[str, tuple[Found, Action]], threads: CapacityLimiter
) -> Calls:
    endpoints = {
        name: Endpoint(action, functools.partial(controller.kind, app))
        for name, (controller, action) in actions.items()
    }
    return Calls(endpoints, parts.origins, parts.limits, threads, parts.live.defer, debug=app.debug)


def _dashboard(app: App, parts: Parts) -> ASGIApp:
    token = parts.dashboard_token or os.environ.get(TOKEN_VARIABLE)
    if token is None:
        log.info(
            "the dashboard at %s has no token and answers only requests from this machine. "
            "Behind a proxy on this machine, anyone may seem to be local: set %s there",
            parts.dashboard,
            TOKEN_VARIABLE,
        )
    secret = "" if token is None else parts.keys.secret()
    return dashboard(lambda: app.file, token=token, secret=secret)


class _Endpoint:
    """An ASGI application that answers every method, including those it refuses."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._calls(Request(scope, receive, send))
        await response(scope, receive, send)
