from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli import terminal
from tests.cli.conftest import Ended, Sprag
from tests.conftest import MakeQueue
from tests.support import DEADLINE, Gate


def statuses(sprag: Sprag, *arguments: str) -> dict[str, str]:
    jobs = sprag("list", "--json", *arguments).document["jobs"]
    return {job["id"]: job["status"] for job in jobs}


def test_a_queued_job_is_cancelled_at_once(sprag: Sprag, ended: Ended) -> None:
    answer = sprag("cancel", ended.queued.id[:16])
    assert (answer.code, answer.out) == (0, f"{ended.queued.id} cancelled\n")
    assert statuses(sprag)[ended.queued.id] == "cancelled"


def test_a_running_job_is_asked_to_give_way(sprag: Sprag, make_queue: MakeQueue) -> None:
    gate = Gate()
    queue = make_queue(lambda queue, item: gate.hold(), name="images")
    job = queue.start().enqueue(1)
    gate.wait_held()
    try:
        document = sprag("cancel", job.id, "--json").document
        assert document == {"jobs": [{"id": job.id, "status": "cancelling"}], "errors": []}
    finally:
        gate.open()


def test_a_job_that_is_cancelled_already_is_as_asked(sprag: Sprag, ended: Ended) -> None:
    assert sprag("cancel", ended.cancelled.id).code == 0


@pytest.mark.parametrize("command", ["cancel", "requeue"])
def test_jobs_that_cannot_move_are_named_and_the_others_move(
    sprag: Sprag, ended: Ended, command: str
) -> None:
    good = ended.queued if command == "cancel" else ended.failed
    answer = sprag(command, ended.completed.id, "f" * 32, good.id)
    assert answer.code == 1
    assert answer.out.startswith(good.id)
    assert f"cannot {command} job '{ended.completed.id}': it is completed" in answer.err
    assert "f" * 32 in answer.err
    document = sprag(command, ended.completed.id, "ffff", ended.delayed.id, "--json").document
    assert [error["kind"] for error in document["errors"]][:2] == ["illegal_move", "job_not_found"]
    assert [error["job_id"] for error in document["errors"]][:2] == [ended.completed.id, "ffff"]


def test_a_failed_and_a_cancelled_job_run_again(sprag: Sprag, ended: Ended) -> None:
    answer = sprag("requeue", ended.failed.id, ended.cancelled.id[:15])
    assert answer.code == 0
    assert answer.out == f"{ended.failed.id} queued\n{ended.cancelled.id} queued\n"
    history = sprag("show", ended.failed.id, "--json").document["history"]
    assert [move["event"] for move in history][-2:] == ["fail", "requeue"]


def test_a_job_that_waits_runs_now_in_the_process_that_has_the_workers(
    make_queue: MakeQueue, database: Path
) -> None:
    queue = make_queue(name="images").start()
    job = queue.enqueue(1, delay=3600)
    command = [sys.executable, "-m", "sprag", "-d", str(database), "run-now", job.id]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, f"{job.id} queued\n", "")
    assert queue.wait(job.id, DEADLINE).status == "completed"


def test_all_that_wait_in_a_queue_run_now_and_no_others(
    sprag: Sprag, make_queue: MakeQueue
) -> None:
    queue = make_queue(name="many")
    queue.enqueue_many(range(450), delay=3600)
    ready = queue.enqueue(1)
    other = make_queue(name="other").enqueue(1, delay=3600)
    assert sprag("run-now", ready.id).out == f"{ready.id} queued\n"
    assert sprag("run-now", "-q", "many", "--yes").out == "450 jobs start now\n"
    assert sprag("run-now", "-q", "many", "--yes").out == "no waiting jobs in many\n"
    assert len(sprag("run-now", "-q", "other", "--yes", "--json").document["jobs"]) == 1
    assert sprag("show", other.id, "--json").document["job"]["due_at"] < other.due_at


def test_what_does_not_wait_cannot_be_run_now(sprag: Sprag, ended: Ended) -> None:
    answer = sprag("run-now", ended.completed.id, ended.delayed.id)
    assert (answer.code, answer.out) == (1, f"{ended.delayed.id} queued\n")
    assert f"cannot start job '{ended.completed.id}': it is completed" in answer.err
    assert sprag("run-now").code == 2


def test_all_that_match_a_filter_move(sprag: Sprag, ended: Ended, make_queue: MakeQueue) -> None:
    other = make_queue(name="other")
    kept = other.enqueue(1)
    many = make_queue(name="many")
    many.enqueue_many(range(450))
    other.stop()
    many.stop()
    assert sprag("cancel", "-q", "many", "--yes").out == "450 cancelled\n"
    assert sprag("requeue", "-q", "many", "--yes").out == "no failed jobs in many\n"
    document = sprag("requeue", "-q", "many", "-s", "cancelled", "--yes", "--json").document
    assert len(document["jobs"]) == 450
    assert document["errors"] == []
    assert {job["status"] for job in document["jobs"]} == {"queued"}
    assert sprag("requeue", "-s", "failed", "--yes").out == "1 queued\n"
    assert statuses(sprag, "-q", "images")[ended.cancelled.id] == "cancelled"
    assert statuses(sprag, "-q", "other") == {kept.id: "queued"}


def test_a_filter_asks_first_and_without_anybody_to_ask_does_nothing(
    sprag: Sprag, ended: Ended
) -> None:
    before = statuses(sprag)
    answer = sprag("cancel", "--queue=images")
    assert (answer.code, answer.out) == (2, "")
    assert "Cancel 2 queued jobs in images?" in answer.err
    assert "--yes" in answer.err
    assert sprag("cancel", "--queue=images", "--json").error["kind"] == "confirmation_needed"
    assert statuses(sprag) == before


@pytest.mark.parametrize(("word", "code", "left"), [("y", 0, 0), ("n", 1, 2)])
def test_the_answer_counts(
    ended: Ended, database: Path, sprag: Sprag, word: str, code: int, left: int
) -> None:
    with terminal.screen("cancel", "--queue=images", "-d", database) as shown:
        shown.wait_for(lambda output: "[y/N]" in output)
        shown.type(f"{word}\n")
        assert shown.end()[0] == code
    assert list(statuses(sprag).values()).count("queued") == left


@pytest.mark.parametrize(
    "arguments", [(), ("ffff", "--queue=images"), ("--status=completed",), ("--queue",)]
)
@pytest.mark.parametrize("command", ["cancel", "requeue"])
def test_wrong_choices_end_with_2(
    sprag: Sprag, ended: Ended, command: str, arguments: tuple[str, ...]
) -> None:
    assert sprag(command, *arguments).code == 2


def test_with_a_queue_that_has_no_jobs_nothing_is_asked(sprag: Sprag, ended: Ended) -> None:
    answer = sprag("requeue", "--queue=unheard-of")
    assert (answer.code, answer.out) == (0, "no failed jobs in unheard-of\n")
