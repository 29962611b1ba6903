"""A server around an application: one process, several, or one that restarts as files change.

Needs the extra `web`; imported only by `sprag run`, once it runs.
"""

from __future__ import annotations

import contextlib
import logging
import os
import resource
import socket
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import uvicorn
import websockets  # noqa: F401 - uvicorn would do without, and refuse every page's WebSocket
from sse_starlette.sse import AppStatus
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from ..queue import QueueError
from ..queue.operators import PIECE_SECONDS
from ..web import App
from ..web.trouble import broken_app
from .exits import USAGE, Refusal
from .load import broken, load_instance
from .logs import log_config, log_to_stderr, without_tokens
from .pacing import PacedSocket
from .reloading import keep_reloading
from .stops import StopRequests

log = logging.getLogger("sprag.cli")

_EXAMPLE: Final = "main:app"
# How long requests that are under way may take once the server stops.
_REQUEST_SECONDS: Final = 10
# After so long without an answer, a process is taken to hang, and a new one to be unable to start:
# an application may be slow to import, and a small machine busy.
_ANSWER_SECONDS: Final = 60
# Pages send nothing over their WebSocket.
_FRAME_BYTES: Final = 4096
_BACKLOG: Final = 2048
_FILES: Final = 16_384


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
            ws=PacedSocket,
            ws_per_message_deflate=False,
            ws_max_size=_FRAME_BYTES,
            log_config=without_tokens(log_config(self.log_level, as_json=self.as_json)),
            access_log=self.access_log,
            proxy_headers=self.proxy_headers,
            server_header=False,
            timeout_graceful_shutdown=_REQUEST_SECONDS,
            timeout_worker_healthcheck=_ANSWER_SECONDS,
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
    with _listening(plan) as listener:
        requests = StopRequests()
        # Its lifespan would say so too, but not by an exit code.
        with app:
            _serve(plan.config(app), listener, requests)
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
    with _listening(plan) as listener:
        keep_reloading(_serve_again, plan, listener)
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


def _serve(config: uvicorn.Config, listener: socket.socket, requests: StopRequests) -> None:
    """Serve until there is a request to stop, and then to the end of what is under way."""
    server = uvicorn.Server(config)
    # In the main thread it would take the signals, end by them, and wait at a second Ctrl-C.
    with ThreadPoolExecutor(1, "sprag-server") as pool:
        running = pool.submit(server.run, [listener])
        try:
            while not running.done() and requests.wait(PIECE_SECONDS) is None:
                pass
        finally:
            AppStatus.should_exit = True  # for streams, which end before the server does
            server.should_exit = True
        running.result()


def _serve_again(plan: Plan, listener: socket.socket) -> None:
    """In a new process. What is wrong is logged and shown to browsers on this machine; the next
    change starts another process."""
    log_to_stderr(plan.log_level, as_json=plan.as_json)
    with contextlib.suppress(OSError):  # the program was started without one
        sys.stdin = os.fdopen(0)  # for debuggers: multiprocessing has put nothing in its place
    requests = None  # until the modules are imported, SIGTERM ends the process as it is
    try:
        app = _application(plan.path, debug=True)
        requests = StopRequests()
        with app:
            _serve(plan.config(app), listener, requests)
        return
    except Refusal as refusal:
        said = str(refusal)
        sentence, _, trace = said.partition("\n")
        log.error("%s", sentence, exc_info=refusal.__cause__ if trace else None)
    except QueueError as error:
        said = str(error)
        log.error("%s", said)
    _serve(plan.config(broken_app(said), lifespan="off"), listener, requests or StopRequests())
