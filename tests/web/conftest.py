"""Applications whose sources a test writes down, as packages that are really imported."""

from __future__ import annotations

import importlib
import itertools
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import pytest

from sprag.queue import QueueService
from sprag.web import App
from tests.client import TestClient
from tests.support import Handler, queue_class
from tests.synced import disk as disk

SECRET = "a secret of the tests, long enough"

PAGE = """
    from sprag import Controller, Field, Schema, action

    JOB = {"job_id": Field(str, required=True)}

    class Home(Controller):
        route = "/"

        @action(name="enqueue", schema=Schema("enqueue", {"item": Field(object)}))
        def enqueue_one(self, item):
            return self.enqueue("work", item)

        @action(schema=Schema("enqueue_many", {"count": Field(int, required=True)}))
        def enqueue_many(self, count):
            jobs = self.queue("work").enqueue_many(range(count), audience=self.audience)
            return [job.id for job in jobs]

        @action(schema=Schema("status", JOB))
        def status(self, job_id):
            return self.job_status("work", job_id)

        @action(schema=Schema("cancel", JOB))
        def cancel(self, job_id):
            return self.request_job_cancel("work", job_id)
"""
"""A page whose actions enqueue, look and cancel."""

_numbers = itertools.count()


class WritePackage(Protocol):
    """`write_package({"page.py": source})`: the import path of a package with these files, whose
    sources may be indented as the test is. Files beside a module get their content as it is."""

    def __call__(self, sources: Mapping[str, str | bytes]) -> str: ...


class MakeApp(Protocol):
    """`make_app(source, **options)`: an application of one page, or of several files; it is on the
    test's file, and its queue "work" runs `handler`."""

    def __call__(
        self,
        sources: str | Mapping[str, str | bytes] = PAGE,
        handler: Handler | None = None,
        **options: Any,
    ) -> App: ...


@pytest.fixture
def write_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WritePackage]:
    folder = tmp_path / "import"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    made: list[str] = []

    def write(sources: Mapping[str, str | bytes]) -> str:
        name = f"site_{next(_numbers)}"
        made.append(name)
        for path, content in {"__init__.py": "", **sources}.items():
            file = folder / name / path
            file.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                file.write_bytes(content)
            else:
                file.write_text(textwrap.dedent(content), encoding="utf-8")
        importlib.invalidate_caches()
        return name

    yield write
    for module in tuple(sys.modules):
        if module.partition(".")[0] in made:
            del sys.modules[module]


@pytest.fixture
def make_app(write_package: WritePackage, database: Path) -> MakeApp:
    def make(
        sources: str | Mapping[str, str | bytes] = PAGE,
        handler: Handler | None = None,
        **options: Any,
    ) -> App:
        if isinstance(sources, str):
            sources = {"page.py": sources, "page.html": "<h1>Page</h1>"}
        if "providers" not in options:
            kind = queue_class(handler)
            options["providers"] = {"work": kind(grace_seconds=0.0)}
        return App(**{
            "routes": write_package(sources), "database": database, "secret": SECRET, **options,
        })  # fmt: skip

    return make


@pytest.fixture
def browse() -> Iterator[Callable[..., TestClient]]:
    """`browse(app)`: a visitor of an application that runs until the test ends."""
    clients: list[TestClient] = []

    def start(app: App, url: str = "http://testserver", **options: Any) -> TestClient:
        client = TestClient(app, url, **options)
        client.__enter__()
        clients.append(client)
        return client

    yield start
    for client in reversed(clients):
        client.__exit__(None, None, None)


Browse = Callable[..., TestClient]


def work(app: App) -> QueueService:
    """The application's queue."""
    return app.queues["work"]
