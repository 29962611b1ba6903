"""The programs of examples/ as children of the test, and visitors that talk to them."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

from sprag.queue import QueueService
from tests.chromium import browser as browser
from tests.chromium import console as console
from tests.chromium import page as page
from tests.support import DEADLINE, unmeasured, wait_until

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLES = ROOT / "examples"


class Visitor:
    """A browser's worth of one: a cookie jar, and pages that listen."""

    def __init__(self, url: str, base: str = "") -> None:
        # To read certificates for https takes longer than a request.
        self.client = httpx.Client(base_url=url, timeout=DEADLINE, verify=False)
        self.base = base
        self._url = url
        self._open = ExitStack()
        self.page()

    def page(self) -> str:
        """The page's HTML."""
        answer = self.client.get(f"{self.base}/")
        assert answer.status_code == 200, answer.text
        return answer.text

    def call(self, action: str, **payload: Any) -> Any:
        """What an action answers."""
        answer = self.client.post(f"{self.base}/_sprag/actions/{action}", json=payload)
        assert answer.is_success, answer.text
        return answer.json()["value"]

    def listen(self, *, after: str | None = None) -> Listener:
        """A WebSocket, and the process that it leads to: 0 where the page tells of none."""
        query = "" if after is None else f"?after={after}"
        cookies = "; ".join(f"{name}={value}" for name, value in self.client.cookies.items())
        parts = httpx.URL(self._url)
        line = socket.create_connection((parts.host, parts.port), timeout=DEADLINE)
        # The page first, on the same connection: it tells whose connection that is.
        request = f"GET {self.base}/ HTTP/1.1\r\nHost: {parts.netloc.decode()}\r\n"
        line.sendall(f"{request}Cookie: {cookies}\r\n\r\n".encode())
        text = _answer(line)
        found = re.search(r'"served_by":\s*(\d+)', text)
        line.settimeout(None)
        opened = self._open.enter_context(
            connect(
                f"ws://{parts.netloc.decode()}{self.base}/_sprag/socket{query}",
                sock=line, additional_headers={"Cookie": cookies}, open_timeout=DEADLINE,
                close_timeout=0.1,  # a page that goes does not wait either
            )
        )  # fmt: skip
        return Listener(opened, 0 if found is None else int(found[1]))

    def close(self) -> None:
        self._open.close()
        self.client.close()


class Listener:
    """The signals of one WebSocket."""

    def __init__(self, opened: ClientConnection, process: int) -> None:
        self._opened = opened
        self.process = process
        self.seen: list[Any] = []
        assert self.next()["signal"] == "sprag:connected"

    def next(self) -> Any:
        """The next signal."""
        signal_ = json.loads(self._opened.recv(timeout=DEADLINE))
        self.seen.append(signal_)
        return signal_

    def until(self, wanted: Callable[[Any], object]) -> Any:
        """The first signal, from here on, that is wanted."""
        while not wanted(signal_ := self.next()):
            pass
        return signal_

    def until_status(self, job_id: str, status: str) -> Any:
        return self.until(lambda s: (s.get("job_id"), s.get("status")) == (job_id, status))


def _answer(line: socket.socket) -> str:
    data = b""
    while b"\r\n\r\n" not in data:
        data += line.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    assert length is not None, head
    while len(body) < int(length[1]):
        body += line.recv(65536)
    return body.decode()


class Program:
    """A server that runs."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, folder: Path) -> None:
        self.process = process
        self.folder = folder
        self._log = log
        self._visitors: list[Visitor] = []
        wait_until(lambda: self._url() is not None or process.poll() is not None)
        assert process.poll() is None, self.said
        self.url = str(self._url())
        wait_until(self._answers)

    @property
    def said(self) -> str:
        """Its log until now."""
        return self._log.read_text(encoding="utf-8")

    def visitor(self, base: str = "") -> Visitor:
        """Somebody new."""
        visitor = Visitor(self.url, base)
        self._visitors.append(visitor)
        return visitor

    def stop(self) -> int:
        """SIGTERM, with all pages open; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(DEADLINE)
        assert "Traceback" not in self.said, self.said
        return code

    def close(self) -> None:
        for visitor in self._visitors:
            visitor.close()

    def _url(self) -> str | None:
        found = re.search(r"http://127\.0\.0\.1:[1-9]\d*", self.said)
        return None if found is None else found[0]

    def _answers(self) -> bool:
        try:
            httpx.get(self.url, timeout=DEADLINE, verify=False)
        except httpx.TransportError:
            assert self.process.poll() is None, self.said
            return False
        return True


def fill_up(database: Path, queue: str, *sources: Path) -> None:
    """Let the queue that these sources describe hold one waiting job, and store one. It stays."""
    for source in sources:
        text = source.read_text(encoding="utf-8")
        limited, count = re.subn(r"\bmax_queued = \d+", "max_queued = 1", text)
        assert count == 1, f"expected {source} to bound its queue"
        source.write_text(limited, encoding="utf-8")
    waiting = QueueService(name=queue, database=database)
    waiting.enqueue({}, delay=3600)
    waiting.stop()


def copy_examples(folder: Path) -> Path:
    """The examples in a folder where a test can change them."""
    return shutil.copytree(EXAMPLES, folder / "examples", dirs_exist_ok=True)


@contextmanager
def running(folder: Path, *command: str) -> Iterator[Program]:
    """A module's program, in a folder that has a copy of the examples."""
    if not (folder / "examples").is_dir():
        copy_examples(folder)
    log = folder / "server.log"
    with log.open("wb") as writing:
        process = subprocess.Popen(
            [sys.executable, "-m", *command], cwd=folder, stdin=subprocess.DEVNULL,
            stdout=writing, stderr=subprocess.STDOUT, start_new_session=True,
            env={**unmeasured(), "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
    program = None
    try:
        program = Program(process, log, folder)
        yield program
    finally:
        if program is not None:
            program.close()
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Program]]:
    """`run("sprag", "run", "examples.plain:app")`: a program that ends with the test."""
    opened: list[Any] = []

    def start(*command: str) -> Program:
        context = running(tmp_path, *command)
        program = context.__enter__()
        opened.append(context)
        return program

    yield start
    for context in reversed(opened):
        context.__exit__(None, None, None)
