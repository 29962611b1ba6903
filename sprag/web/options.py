"""The options of App that need a closer check, and what is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from ..queue import QueueService
from ..queue.operators import file_path
from .errors import StartupError

BASE: Final = "/_sprag"
# Where the scope of a mounted application keeps our session; "session" may be its own.
VISIT: Final = "sprag.session"


class Apart:
    """Another application, which neither finds our session in its scope nor replaces it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        inner = {name: value for name, value in scope.items() if name != "session"}
        inner[VISIT] = scope.get("session")
        await self._app(inner, receive, send)


def providers_of(given: Mapping[str, Any]) -> dict[str, QueueService]:
    """The queues, by the names that controllers use. Raises StartupError."""
    names: dict[str, str] = {}
    for key, provider in given.items():
        if isinstance(provider, type) and issubclass(provider, QueueService):
            raise StartupError(
                f"App: providers: {key!r}: expected an instance, got the class; write "
                f"{provider.__name__}()"
            )
        if not isinstance(provider, QueueService):
            raise StartupError(
                f"App: providers: {key!r}: expected a QueueService, got {provider!r}"
            )
        if provider.name in names:
            raise StartupError(
                f"App: providers: {names[provider.name]!r} and {key!r} are the same queue, "
                f"{provider.name!r}"
            )
        names[provider.name] = key
    return dict(given)


def one_file(queues: Mapping[str, QueueService], database: str | Path | None) -> str:
    """The absolute path of the file that all queues share. Raises ConfigurationError."""
    if database is not None:
        file_path("App.database", database)
        for queue in queues.values():
            queue.place(database)
    paths = {key: queue.path for key, queue in queues.items()}
    expected = str(Path(database or QueueService.database).absolute())
    if database is None and paths:
        expected = next(iter(paths.values()))
    for key, path in paths.items():
        if path != expected:
            raise StartupError(
                f"App: all queues share one file, expected {expected}, but {key!r} uses {path}"
            )
    return expected


def is_dotted(value: object) -> bool:
    """True if this is written as the import path of a package."""
    return isinstance(value, str) and all(part.isidentifier() for part in value.split("."))


def mount_path(what: str, path: Any) -> str:
    """The path, without a slash at its end. Raises StartupError."""
    if not isinstance(path, str) or not path.startswith("/") or path == "/":
        raise StartupError(f"App: {what}: expected a path such as /{what}, got {path!r}")
    return path.rstrip("/")


def mount(path: Any, inner: Any) -> Mount:
    """Another application, at its path. Raises StartupError."""
    if not isinstance(path, str) or not path.startswith("/") or f"{path}/".startswith(f"{BASE}/"):
        raise StartupError(f"App: mounts: expected a path such as /api, got {path!r}")
    if not callable(inner):
        raise StartupError(f"App: mounts: {path!r}: expected an ASGI application, got {inner!r}")
    return Mount(path.rstrip("/"), Apart(inner))


def static_files(folder: str | Path, routes: Path) -> StaticFiles:
    """The folder that is served. Raises StartupError if it is not there."""
    for place in (Path(folder), routes.parent / folder):
        if place.is_dir():
            return StaticFiles(directory=place)
    raise StartupError(
        f"App: static: there is no folder {Path(folder).absolute()}, nor {routes.parent / folder}"
    )
