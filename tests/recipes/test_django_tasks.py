"""Django's own tasks, kept and run by sprag: one process enqueues them, another one runs them."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from sprag.queue import QueueService
from sprag.queue.operators import enqueue_task
from tests.support import DEADLINE, child, said

PROGRAM = Path(__file__).with_name("programs") / "django_site.py"


@pytest.fixture
def worked(database: Path) -> tuple[dict[str, Any], list[str]]:
    """What the enqueuing process has seen, and what the working one has said."""
    with child(PROGRAM, database, "work") as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "running the tasks of default, mail\n"
        seen: dict[str, Any] = json.loads(said(PROGRAM, database, "enqueue"))
        worker.send_signal(signal.SIGINT)
        lines = worker.stdout.read().splitlines()
        assert worker.wait(DEADLINE) == 0
    return seen, lines


def test_django_s_tasks_run_in_another_process_and_tell_django(
    worked: tuple[dict[str, Any], list[str]], database: Path
) -> None:
    seen, lines = worked
    assert (seen["missing"], seen["first"]) == (True, "READY")
    assert seen["add"] == {
        "status": "SUCCESSFUL", "attempts": 1, "queue": "default", "priority": 0, "args": [1],
        "kwargs": {"other": 2}, "value": 3, "errors": [], "finished": True,
    }  # fmt: skip
    assert (seen["later"]["value"], seen["later"]["status"]) == (2, "SUCCESSFUL")
    attempt = seen["attempt"]
    assert (attempt["value"], attempt["queue"], attempt["priority"]) == (["a", 1], "mail", 10)
    failed = seen["fails"]
    assert (failed["status"], failed["attempts"]) == ("FAILED", 2)
    assert failed["errors"] == ["ConnectionError"] * 2
    assert sorted(lines) == sorted([
        "add RUNNING", "add SUCCESSFUL", "add RUNNING", "add SUCCESSFUL", "attempt RUNNING",
        "attempt SUCCESSFUL", "fails RUNNING", "fails RUNNING", "fails FAILED",
    ])  # fmt: skip
    queue = QueueService(name="default", database=database)
    assert [job.task for job in queue.jobs()] == ["__main__.fails", "__main__.add", "__main__.add"]
    queue.stop()


def test_a_task_whose_module_is_not_imported_waits(database: Path) -> None:
    queue = QueueService(name="default", database=database)
    [job] = enqueue_task(queue, "gone.tasks.send", [{"args": [], "kwargs": {}}])
    with child(PROGRAM, database, "work") as worker:
        assert worker.stdout is not None
        worker.stdout.readline()
        said(PROGRAM, database, "enqueue")
        assert queue.get(job.id).status == "queued"
        worker.send_signal(signal.SIGTERM)
        worker.wait(DEADLINE)
    queue.stop()
