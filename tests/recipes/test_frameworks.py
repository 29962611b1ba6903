"""sprag beside other frameworks in one process: the very programs of examples/."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sprag.queue import QueueService
from tests.recipes.conftest import EXAMPLES, Listener, Program, Visitor, copy_examples, fill_up
from tests.support import wait_until

Run = Callable[..., Program]
UVICORN = ("uvicorn", "--port", "0")
SPRAG = ("sprag", "run", "--port", "0")


def counts_and_cancels(visitor: Visitor) -> Listener:
    """The page's own work: a job to its end, one that is cancelled, a deferred action."""
    page = visitor.listen()
    job = visitor.call("count", to=2)
    assert job["accepted"]
    page.until_status(job["job_id"], "completed")
    assert visitor.call("status", job_id=job["job_id"])["job"]["result"]["counted"] == 2
    endless = visitor.call("count", to=1000)["job_id"]
    page.until_status(endless, "running")
    assert visitor.call("cancel", job_id=endless)["accepted"]
    page.until_status(endless, "cancelled")
    task = visitor.call("think")["task_id"]
    end = page.until(lambda s: s["signal"] == "sprag:action.finished")
    assert (end["task_id"], end["ok"], end["value"]) == (task, True, "thought")
    return page


def stops_in_order(
    program: Program, visitor: Visitor, page: Listener, codes: tuple[int, ...]
) -> None:
    """With a page open and a job running, which goes back to the queue."""
    job = visitor.call("count", to=1000)["job_id"]
    page.until_status(job, "running")
    assert program.stop() in codes, program.said
    queue = QueueService(name="counting", database=program.folder / "counting.db")
    assert queue.history(job)[-1].event == "release"
    queue.stop()


def test_inside_fastapi_everything_works_under_the_prefix(run: Run) -> None:
    program = run(*UVICORN, "examples.in_fastapi:api")
    visitor = program.visitor("/jobs")
    assert 'src="/jobs/_sprag/assets/' in visitor.page()
    page = counts_and_cancels(visitor)
    # uvicorn ends by the signal that stopped it.
    stops_in_order(program, visitor, page, (-15,))


def test_inside_fastapi_both_sessions_stay_what_they_were(run: Run) -> None:
    program = run(*UVICORN, "examples.in_fastapi:api")
    visitor = program.visitor("/jobs")
    assert [visitor.client.get("/visits").json() for _ in range(2)] == [1, 2]
    [own] = set(visitor.client.cookies) - {"session"}
    assert own.startswith("sprag_session_")
    before = dict(visitor.client.cookies)
    visitor.page()
    job = visitor.call("count", to=1)["job_id"]
    assert visitor.client.cookies["session"] == before["session"]
    assert visitor.client.get("/visits").json() == 3
    assert visitor.call("status", job_id=job)["job_id"] == job
    other = program.visitor("/jobs")
    assert other.client.post("/jobs/_sprag/actions/status", json={"job_id": job}).status_code == 404
    assert program.stop() == -15


def test_an_endpoint_of_fastapi_enqueues_and_no_page_sees_it(run: Run) -> None:
    program = run(*UVICORN, "examples.in_fastapi:api")
    visitor = program.visitor("/jobs")
    page = visitor.listen()
    hidden = visitor.client.post("/count/1").json()
    queue = QueueService(name="counting", database=program.folder / "counting.db")
    wait_until(lambda: queue.get(hidden).status == "completed")
    queue.stop()
    job = visitor.call("count", to=1)["job_id"]
    page.until_status(job, "completed")
    assert {s["job_id"] for s in page.seen if "job_id" in s} == {job}
    assert program.stop() == -15


@pytest.mark.parametrize(
    ("example", "mount", "says"),
    [
        ("with_flask", "/legacy", "Flask at /legacy/"),
        ("with_django", "/django", "Django at /django/"),
        ("with_django", "/django-wsgi", "Django at /django-wsgi/"),
    ],
)
def test_another_framework_works_inside_and_its_views_enqueue_for_the_visitor(
    run: Run, example: str, mount: str, says: str
) -> None:
    program = run(*SPRAG, f"examples.{example}:app")
    visitor = program.visitor()
    assert visitor.client.get(f"{mount}/").text == says
    page = counts_and_cancels(visitor)
    answer = visitor.client.post(f"{mount}/count/2")
    assert answer.status_code == 200, program.said
    page.until_status(answer.text, "completed")
    assert visitor.call("status", job_id=answer.text)["job"]["result"]["counted"] == 2
    other = program.visitor()
    assert (
        other.client.post("/_sprag/actions/status", json={"job_id": answer.text}).status_code == 404
    )
    stops_in_order(program, visitor, page, (0,))


@pytest.mark.parametrize(
    ("command", "path"),
    [
        ((*UVICORN, "examples.in_fastapi:api"), "/count/2"),
        ((*SPRAG, "examples.with_flask:app"), "/legacy/count/2"),
        ((*SPRAG, "examples.with_django:app"), "/django/count/2"),
        ((*SPRAG, "examples.with_django:app"), "/django-wsgi/count/2"),
    ],
)
def test_a_view_answers_503_while_the_queue_is_full(
    run: Run, tmp_path: Path, command: tuple[str, ...], path: str
) -> None:
    fill_up(tmp_path / "counting.db", "counting", copy_examples(tmp_path) / "counting.py")
    program = run(*command)
    answer = program.visitor("/jobs" if "fastapi" in command[-1] else "").client.post(path)
    assert answer.status_code == 503, program.said
    assert "The queue is full: try again later" in answer.text


def test_the_first_comment_of_each_example_runs_it() -> None:
    for name in ("plain", "in_fastapi", "with_flask", "with_django"):
        first = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8").splitlines()[0]
        assert first.startswith("# Run it:  ")
        assert f"examples.{name}:" in first
