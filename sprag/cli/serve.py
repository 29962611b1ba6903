"""A server around an application: one process, several, or one that restarts as files change.

Needs the extra `web`; imported only by `sprag run`, once it runs.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import re
import resource
import signal
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final, Literal

import uvicorn
import websockets  # noqa: F401 - uvicorn would do without, and refuse every page's WebSocket
from uvicorn.config import STARTUP_FAILURE
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.basereload import BaseReload

from ..queue import QueueError
from ..web import App
from ..web.trouble import broken_app
from .exits import INTERRUPTED, USAGE, Refusal
from .load import broken, load_instance
from .logs import log_config

log = logging.getLogger("sprag.cli")

_EXAMPLE: Final = "main:app"
# How long requests that are under way may take once the server stops.
_REQUEST_SECONDS: Final = 10
# Pages send nothing over their WebSocket.
_FRAME_BYTES: Final = 4096
_BACKLOG: Final = 2048
_FILES: Final = 16_384
# Also where the name itself is percent-encoded: then everything after the "=" is hidden.
_SECRETS: Final = re.compile(
    r"((?:[?&;]|^)[^=&;\s]*"
    r"(?:token|secret|passw|password|passwd|pwd|auth|session|signature|api_?key|access_?key|%)"
    r"[^=&;\s]*=)[^&;\s]*",
    re.IGNORECASE,
)
_WATCHED: Final = frozenset({".py", ".html", ".js", ".css", ".json", ".jinja", ".svg"})
_NOT_ENTERED: Final = frozenset({"__pycache__", "node_modules"})


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be served, and how. Given to other processes, so it is plain data."""

    path: str
    host: str
    port: int
    log_level: str
    as_json: bool
    proxy_headers: bool
    access_log: bool

    def config(
        self, app: Any, workers: int | None = None, lifespan: Literal["on", "off"] = "on"
    ) -> uvicorn.Config:
        """The server's settings."""
        return uvicorn.Config(
            app,
            host=self.host,
            port=self.port,
            workers=workers or 1,
            lifespan=lifespan,
            # Compression would keep its windows for each open page, whose messages are too short
            # to gain by it.
            ws=_Socket,
            ws_per_message_deflate=False,
            ws_max_size=_FRAME_BYTES,
            log_config=_without_tokens(log_config(self.log_level, as_json=self.as_json)),
            access_log=self.access_log,
            proxy_headers=self.proxy_headers,
            server_header=False,
            timeout_graceful_shutdown=_REQUEST_SECONDS,
        )


def check(plan: Plan, database: str | None) -> None:
    """Raise Refusal unless the application can be served, from this file if one is named."""
    app = _application(plan.path)
    if database is not None and str(Path(database).absolute()) != app.database:
        raise Refusal(
            f"{plan.path} names its own database, {app.database}: leave out --database and "
            "SPRAG_DATABASE, or name the same",
            kind="usage",
            code=USAGE,
        )


def single(plan: Plan) -> None:
    """Serve in this process until a signal stops it. Raises Refusal, QueueError."""
    app = _application(plan.path)
    server = _Server(plan.config(app))
    with _listening(plan) as listener:
        server.take_signals()
        # Its lifespan would say so too, but not by an exit code.
        with app:
            server.run([listener])
    log.info("stopped")


def several(plan: Plan, workers: int) -> None:
    """Serve in several processes, and replace those that die. Raises Refusal."""
    config = plan.config(_import_string(plan.path), workers)
    with _listening(plan) as listener:
        listener.set_inheritable(True)
        supervisor = Multiprocess(config, [listener])
        supervisor.run()
    log.info("stopped")
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        raise Refusal("the application did not start: the log above says why", kind="startup")


def reloading(plan: Plan) -> None:
    """Serve in a process that is replaced when a file under the working directory changes."""
    config = plan.config(plan.path)
    with _listening(plan) as listener:
        listener.set_inheritable(True)
        _Reload(config, functools.partial(_serve_again, plan), [listener]).run()
    log.info("stopped")


def _application(path: str, *, debug: bool = False) -> App:
    app: App = load_instance(path, App, "application", _EXAMPLE)
    app.debug = app.debug or debug
    try:
        app.build()
    except Exception as error:  # of the author's modules
        raise broken("the application cannot be put together", error) from error
    return app


def _import_string(path: str) -> str:
    """The path with the application's name, which uvicorn needs."""
    module, _, name = path.partition(":")
    if name:
        return path
    found = sys.modules[module]
    return f"{module}:{next(name for name, value in vars(found).items() if isinstance(value, App))}"


@contextlib.contextmanager
def _listening(plan: Plan) -> Iterator[socket.socket]:
    """The socket, which takes connections from now on. Raises Refusal."""
    _take_files()
    try:
        family = socket.getaddrinfo(plan.host, plan.port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((plan.host, plan.port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise Refusal(
            f"cannot listen on {plan.host}, port {plan.port}: {error.strerror}", kind="address"
        ) from error
    with listener:
        port = listener.getsockname()[1]
        host = f"[{plan.host}]" if ":" in plan.host else plan.host
        log.info("serving %s on http://%s:%d (process %d)", plan.path, host, port, os.getpid())
        yield listener


def _take_files() -> None:
    """Let this process and those it starts open what pages an application takes by default: each
    is a file, and many systems allow a process 1,024 until it asks for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # macOS may say no at any number
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _without_tokens(config: dict[str, Any]) -> dict[str, Any]:
    """The log's settings, such that no address in it shows a token."""
    config["filters"]["tokens"] = {"()": f"{__name__}.{WithoutTokens.__name__}"}
    for handler in config["handlers"].values():
        handler["filters"] = [*handler.get("filters", ()), "tokens"]
    return config


class WithoutTokens(logging.Filter):
    """Hides the values of tokens, passwords and the like in the addresses that uvicorn logs."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith("uvicorn") and isinstance(record.args, tuple):
            record.args = tuple(
                _SECRETS.sub(r"\1***", value) if isinstance(value, str) else value
                for value in record.args
            )
        return True


class _Socket(WebSocketsSansIOProtocol):
    """A page's WebSocket, of which no more is read while it does not read: each ping is answered,
    and the answers would wait in memory without a bound."""

    def pause_writing(self) -> None:
        super().pause_writing()
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.read_paused:
            self.transport.resume_reading()


class _Server(uvicorn.Server):
    """Stops in order at the first signal, and at a second Ctrl-C without any."""

    def take_signals(self) -> None:
        """Before the server runs, and until after it has: a signal ends nothing halfway."""
        signal.signal(signal.SIGTERM, self.handle_exit)
        for number in (signal.SIGINT, signal.SIGHUP):
            # Ignored from the start on, as under nohup or in a script's background: it stays so.
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self.handle_exit)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig == signal.SIGINT and self.should_exit:
            # No lock file is unlocked by hand: the kernel does that, and recovery sees a death.
            os._exit(INTERRUPTED)
        super().handle_exit(sig, frame)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """They are ours: uvicorn would raise them again afterwards, and end by them."""
        yield


class _Reload(BaseReload):
    """Restarts the process when a file that it may use is changed, made or removed.

    uvicorn's own looks only at .py files, unless watchfiles is installed.
    """

    _seen: dict[Path, float]

    def startup(self) -> None:
        self.reloader_name = "sprag run --reload"
        self._seen = _look(Path.cwd())
        super().startup()

    def should_restart(self) -> list[Path] | None:
        self.pause()
        before, self._seen = self._seen, _look(Path.cwd())
        changed = dict(before.items() ^ self._seen.items())
        return sorted(changed) or None


def _look(folder: Path) -> dict[Path, float]:
    """The files that matter, with the times of their last changes; none of hidden folders."""
    found = {}
    for here, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name[0] != "." and name not in _NOT_ENTERED]
        for file in (Path(here, name) for name in files):
            if file.suffix in _WATCHED:
                with contextlib.suppress(OSError):  # removed meanwhile
                    found[file] = file.stat().st_mtime
    return found


def _serve_again(plan: Plan, sockets: list[socket.socket]) -> None:
    """In a new process. What is wrong is logged and shown to browsers on this machine; the next
    change starts another process."""
    try:
        app = _application(plan.path, debug=True)
        server = _Server(plan.config(app))
        server.take_signals()
        with app:
            server.run(sockets)
        return
    except Refusal as refusal:
        said = str(refusal)
        sentence, _, trace = said.partition("\n")
        log.error("%s", sentence, exc_info=refusal.__cause__ if trace else None)
    except QueueError as error:
        said = str(error)
        log.error("%s", said)
    server = _Server(plan.config(broken_app(said), lifespan="off"))
    server.take_signals()
    server.run(sockets)
