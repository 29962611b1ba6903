"""The program inside the test's process; what needs a process of its own is in `terminal`."""

from __future__ import annotations

import importlib.util
import io
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from sprag.cli import main
from sprag.queue import Job, QueueService
from tests.conftest import MakeQueue
from tests.support import finished

# The extra `web` has what `sprag run` serves with; all other commands do without.
collect_ignore = [] if importlib.util.find_spec("starlette") else ["test_run.py"]

HOSTILE = "evil \x1b]0;title\x07\x1b[2J\x9b31m [bold red]x[/] :smile: \u202egnp\r\nnext"


@dataclass(frozen=True)
class Answer:
    """What a run of the program left behind."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output, one JSON document."""
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        """Standard error, one JSON document with an error."""
        assert self.out == ""
        return json.loads(self.err)["error"]


class Sprag(Protocol):
    """`sprag("list", "--json")`: run the program on the test's database."""

    def __call__(self, *arguments: object, stdin: bytes = b"") -> Answer: ...


@pytest.fixture
def sprag(
    database: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Sprag:
    monkeypatch.setenv("SPRAG_DATABASE", str(database))
    monkeypatch.delenv("COLUMNS", raising=False)

    def run(*arguments: object, stdin: bytes = b"") -> Answer:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capfd.readouterr()
        code = main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return Answer(code, out, err)

    return run


@dataclass(frozen=True)
class Ended:
    """A file with jobs in several states, that no process has open."""

    completed: Job
    failed: Job
    cancelled: Job
    queued: Job
    delayed: Job


def handle(queue: QueueService, item: Any) -> Any:
    queue.report_progress(1, 2, message=HOSTILE)
    if item["fail"]:
        raise ValueError(HOSTILE)
    return {"said": HOSTILE}


@pytest.fixture
def ended(make_queue: MakeQueue) -> Ended:
    queue = make_queue(handle, name="images")
    cancelled = queue.enqueue({"fail": False, "n": 1})
    queue.cancel(cancelled.id)
    queue.start()
    completed = queue.enqueue({"fail": False, "n": 2}, label="Übung 1")
    failed = queue.enqueue({"fail": True, "n": 3}, max_attempts=2, backoff=0)
    finished(queue, completed, failed)
    queue.stop()
    queue = make_queue(name="images")
    queued = queue.enqueue({"fail": False, "n": 4, "says": HOSTILE})
    delayed = queue.enqueue({"fail": False, "n": 5}, delay=3600, priority=7)
    jobs = Ended(*(queue.get(j.id) for j in (completed, failed, cancelled, queued, delayed)))
    queue.stop()
    return jobs
