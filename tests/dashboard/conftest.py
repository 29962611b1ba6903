"""A dashboard on a real file, served by a real server, in a real browser."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page
from starlette.applications import Starlette
from starlette.routing import Mount

from sprag.dashboard import dashboard
from sprag.queue import QueueService
from sprag.queue.operators import QueueFile
from sprag.queue.work.engine import Engine
from tests.chromium import browser as browser
from tests.chromium import console as console
from tests.chromium import new_context
from tests.client import TestClient, served

__all__ = ["TestClient", "served"]  # the tests take them from here

SECRET = "a secret of the tests, long enough"
TOKEN = "the token of the tests"


@pytest.fixture
def engine(database: Path) -> Iterator[Engine]:
    """The engine of the test's file."""
    opened = Engine.open(str(database))
    yield opened
    opened.close()


@pytest.fixture
def address(engine: Engine) -> Iterator[str]:
    """Where a dashboard without a token answers, mounted somewhere."""
    inner = dashboard(lambda: QueueFile(engine), token=None, secret="")
    app = Starlette(routes=[Mount("/ops/jobs", inner)])
    with served(app) as url:
        yield f"{url}/ops/jobs/"


OpenPage = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser, address: str) -> Iterator[OpenPage]:
    """`open_page(path, **context options)`: a page of the dashboard. What goes wrong in its
    scripts, and what its policy refuses, fails the test."""
    problems: list[str] = []
    contexts: list[BrowserContext] = []

    def opened(path: str = "", **options: Any) -> Page:
        context = new_context(browser, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "console", lambda said: problems.append(said.text) if said.type == "error" else None
        )
        page.goto(address + path)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert problems == []


@pytest.fixture
def killed(engine: Engine) -> list[str]:
    """The ids of two jobs that a process ran which was killed; nobody has taken them over yet."""
    program = Path(__file__).with_name("programs") / "holding.py"
    command = [sys.executable, str(program), engine.path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ids = process.stdout.readline().split()
        process.kill()
    assert len(ids) == 2
    return ids


def handle(queue: QueueService, item: Any) -> Any:
    """What the tests' jobs do: fail with a message, or give back what they got."""
    if isinstance(item, dict) and "fail" in item:
        raise ValueError(item["fail"])
    return item


SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def client(engine: Engine) -> Iterator[TestClient]:
    """Requests from this machine to a dashboard without a token."""
    app = dashboard(lambda: QueueFile(engine), token=None, secret="")
    with TestClient(app, "http://localhost", client=("127.0.0.1", 5000)) as local:
        yield local
