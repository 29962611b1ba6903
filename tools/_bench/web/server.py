"""A server in a process of its own, from its start to its end."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STOP_SECONDS = 20


class NoServer(Exception):
    """The server ended before it had a port; its standard error has said why."""


@contextmanager
def served(
    subject: str,
    folder: Path,
    sync: str,
    *,
    held: bool = False,
    pause: float = 0.0,
    deflate: bool = False,
) -> Iterator[int]:
    """The port of the application of `subject` with a file in `folder`.

    With `held`, its jobs wait until they are drained; each takes `pause` seconds. `deflate`
    offers to compress the frames of its sockets.
    """
    settings = {
        "subject": subject, "folder": str(folder), "sync": sync, "held": held, "pause": pause,
        "deflate": deflate,
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "_bench.web.serve", json.dumps(settings)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        port = process.stdout.readline()
        if not port:
            raise NoServer(f"the server of {subject} did not start")
        yield int(port)
    finally:
        # Its standard input ends; what is held up in a handler then ends with the process.
        process.kill()
        process.communicate(timeout=STOP_SECONDS)
