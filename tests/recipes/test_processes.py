"""Several server processes on one file: what happens in one is seen in the others."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from sprag.queue import QueueService
from tests.recipes.conftest import Listener, Program, Visitor, running

Run = Callable[..., Program]

APP = "examples.plain:app"
SERVERS = {
    "sprag": ("sprag", "run", APP, "--port", "0", "--workers", "2"),
    "uvicorn": ("uvicorn", APP, "--port", "0", "--workers", "2"),
    "gunicorn": ("gunicorn", APP, "--bind", "127.0.0.1:0", "--workers", "2",
                 "-k", "uvicorn_worker.UvicornWorker"),
}  # fmt: skip


@pytest.fixture(params=SERVERS)
def program(run: Run, request: pytest.FixtureRequest) -> Program:
    return run(*SERVERS[request.param])


@pytest.fixture(params=SERVERS, scope="module")
def shared(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Program]:
    """One for the tests that leave it as it is: each has visitors of its own."""
    with running(tmp_path_factory.mktemp("shared"), *SERVERS[request.param]) as program:
        yield program


def pages_of_both(visitor: Visitor) -> dict[int, Listener]:
    """An open page in each process."""
    first = visitor.listen()
    with halted(first.process):
        second = visitor.listen()
    return {page.process: page for page in (first, second)}


@contextmanager
def halted(process: int) -> Iterator[None]:
    """In this block, the process takes no connection, so that another one does."""
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


def moves(page: Listener) -> list[Any]:
    """What the page was told of jobs, apart from their progress."""
    return [told for told in page.seen if told.get("event", "progress") != "progress"]


def worker_of(signal_: Any) -> int | None:
    """The process that runs the job, where the signal tells."""
    found = re.search(r"in process (\d+)", str((signal_.get("progress") or {}).get("message")))
    return None if found is None else int(found[1])


def test_pages_of_both_processes_see_every_move_and_deferred_results(shared: Program) -> None:
    visitor = shared.visitor()
    pages = pages_of_both(visitor)
    jobs = [visitor.call("count", to=2)["job_id"] for _ in range(4)]
    tasks = {visitor.call("think")["task_id"] for _ in range(4)}
    seen = []
    for page in pages.values():
        waiting, left = set(jobs), set(tasks)
        while waiting or left:
            told = page.next()
            if told.get("status") == "completed":
                waiting.discard(told["job_id"])
            left.discard(told.get("task_id"))
        told_of = [(told["job_id"], told["event"]) for told in moves(page)]
        assert len(told_of) == len(set(told_of)) == 3 * len(jobs)
        seen.append(told_of)
    assert seen[0] == seen[1]
    for job in jobs:
        assert visitor.call("status", job_id=job)["status"] == "completed"


def test_the_jobs_of_a_process_that_is_killed_run_again_and_its_page_is_told(
    program: Program,
) -> None:
    visitor = program.visitor()
    pages = pages_of_both(visitor)
    job = visitor.call("count", to=1000)["job_id"]
    first = next(iter(pages.values())).until(worker_of)
    victim = worker_of(first)
    assert victim in pages
    os.kill(victim, signal.SIGKILL)
    survivor = next(page for process, page in pages.items() if process != victim)
    assert survivor.until(lambda s: s.get("event") == "recover")["job_id"] == job
    again = survivor.until(lambda s: worker_of(s) not in (None, victim))
    assert again["job_id"] == job
    assert visitor.call("cancel", job_id=job)["accepted"]
    survivor.until_status(job, "cancelled")
    assert program.stop() in (0, -signal.SIGTERM)


def test_sigterm_stops_all_processes_in_order_with_pages_open(program: Program) -> None:
    visitor = program.visitor()
    pages = pages_of_both(visitor)
    job = visitor.call("count", to=1000)["job_id"]
    for page in pages.values():
        page.until_status(job, "running")
    assert program.stop() in (0, -signal.SIGTERM)
    for process in pages:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)
    queue = QueueService(name="counting", database=program.folder / "counting.db")
    assert queue.get(job).status == "queued"
    assert {move.event for move in queue.history(job)} == {"enqueue", "start", "release"}
    queue.stop()


def test_a_page_comes_back_to_another_process_where_it_was(shared: Program) -> None:
    visitor = shared.visitor()
    page = visitor.listen()
    start = page.seen[0]["cursor"]
    job = visitor.call("count", to=1)["job_id"]
    page.until_status(job, "completed")
    with halted(page.process):
        back = visitor.listen(after=start)
    assert back.process != page.process
    back.until_status(job, "completed")
    assert [told["event"] for told in moves(back)] == ["enqueue", "start", "complete"]
