"""The demo's page, served on this machine until somebody ends it."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import sys
import threading
import webbrowser
from types import FrameType

import uvicorn

from sprag.queue import QueueError
from sprag.web import StartupError

from .arguments import PageOptions
from .output import prepare
from .page.app import make_app

_HOST = "127.0.0.1"
_GRACE_SECONDS = 3


def main(options: PageOptions) -> int:
    """Serve the page; the exit code."""
    # The server stops in order first, and then lets the signal do what it does without it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        return _run(options)
    except KeyboardInterrupt:
        print("Interrupted. The same command goes on where it was.")
        return 130
    except SystemExit as terminated:  # what SIGTERM becomes
        print("Terminated. The same command goes on where it was.")
        return terminated.code if isinstance(terminated.code, int) else 1
    except (OSError, QueueError, StartupError) as error:
        print(f"The demo cannot go on: {error}", file=sys.stderr)
        return 2


def _run(options: PageOptions) -> int:
    output = options.output
    if not prepare(output):
        return 2
    listening = _listen(options.port)
    if listening is None:
        return 2
    with listening:
        app = make_app(output, options.workers)
        app.build()
        left = sum(app.queue("thumbnails").counts()[state] for state in ("queued", "running"))
        address = f"http://{_HOST}:{listening.getsockname()[1]}/"
        config = uvicorn.Config(
            app, lifespan="on", log_config=None, log_level="warning", access_log=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )  # fmt: skip
        server = _Server(config, address, options, left)
        server.run(sockets=[listening])
        return 0 if server.started else 2


def _listen(port: int) -> socket.socket | None:
    """A socket on the port; None, with a word of it, where another program has that."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((_HOST, port))
    except OSError as error:
        listening.close()
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        taken = error.errno == errno.EADDRINUSE
        why = "is taken, perhaps by another demo" if taken else "is not for everybody"
        print(f"Port {port} {why}: choose another one with --port.", file=sys.stderr)
        return None
    return listening


class _Server(uvicorn.Server):
    """Tells people what they have to know of it."""

    def __init__(
        self, config: uvicorn.Config, address: str, options: PageOptions, left: int
    ) -> None:
        super().__init__(config)
        self._address = address
        self._options = options
        self._left = left

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.started:
            return
        print(f"The page: {self._address}")
        print(f"The dashboard: {self._address}dashboard/")
        if self._left:
            images = "1 image goes" if self._left == 1 else f"{self._left} images go"
            print(f"{images} on where an earlier run was ended.")
        print(f"Everything is kept in {self._options.output}; delete it to start anew.")
        print("Stop this at any time, even with kill -9; the same command goes on.", flush=True)
        if self._options.browser:
            # In a thread: some browsers hold whoever starts them.
            threading.Thread(target=webbrowser.open, args=(self._address,), daemon=True).start()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # Not by print, which the signal may have interrupted.
        if not self.should_exit:
            _say_at_once("Stopping: what is in work is finished first.\n")
        elif sig == signal.SIGINT:
            _say_at_once("Stopping at once.\n")
        super().handle_exit(sig, frame)


def _say_at_once(text: str) -> None:
    with contextlib.suppress(OSError):
        os.write(1, text.encode())
