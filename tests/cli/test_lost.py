"""A job whose process died is lost, whatever shows it, until a worker takes it over."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.cli import terminal
from tests.cli.conftest import Ended, Sprag
from tests.cli.test_check import killed_worker, lock_file, worker
from tests.conftest import MakeQueue
from tests.support import DEADLINE, queue_class, sql


@pytest.fixture
def lost(database: Path, ended: Ended) -> str:
    """The id of a job whose process was killed, among others."""
    return killed_worker(database)


def words(output: str, job_id: str) -> list[str]:
    (line,) = [line for line in output.splitlines() if line.startswith(job_id[:13])]
    return line.split()


def test_a_list_says_so(sprag: Sprag, lost: str) -> None:
    answer = sprag("list")
    assert words(answer.out, lost)[1] == "lost"
    assert "its process died" in answer.out
    assert "runs" not in answer.out
    for filter_ in ((), ("--status", "running")):
        jobs = {job["id"]: job for job in sprag("list", "--json", *filter_).document["jobs"]}
        assert (jobs.pop(lost)["status"], jobs) == ("running", jobs)
        assert [job["lost"] for job in jobs.values()] == [False] * len(jobs)
    assert sprag("list", "--json", "-q", "held").document["jobs"][0]["lost"] is True


def test_a_narrow_list_says_so(lost: str, database: Path) -> None:
    with terminal.screen("list", "-d", database, columns=70) as shown:
        code, output = shown.end()
    assert code == 0
    assert "its process died" in output


def test_a_job_by_itself_says_so(sprag: Sprag, lost: str, ended: Ended) -> None:
    shown = sprag("show", lost).out
    assert "status    lost\n" in shown
    assert "its process died; a worker that runs or starts takes the job over" in shown
    assert sprag("show", lost, "--json").document["job"]["lost"] is True
    assert sprag("show", ended.queued.id, "--json").document["job"]["lost"] is False


def test_counts_tell_them_from_what_runs(sprag: Sprag, lost: str, database: Path) -> None:
    table = [line.split() for line in sprag("counts").out.splitlines()]
    assert table[0][1:] == [
        "QUEUED", "RUNNING", "CANCELLING", "COMPLETED", "FAILED", "CANCELLED", "LOST",
    ]  # fmt: skip
    assert table[1:4] == [
        ["held", "0", "0", "0", "0", "0", "0", "1"],
        ["images", "2", "0", "0", "1", "1", "1", "0"],
        ["all", "2", "0", "0", "1", "1", "1", "1"],
    ]
    queues = sprag("counts", "--json").document["queues"]
    assert {name: of["lost"] for name, of in queues.items()} == {"held": 1, "images": 0}
    assert queues["held"]["counts"]["running"] == 1


def test_a_job_that_was_to_be_cancelled_is_lost_all_the_same(sprag: Sprag, database: Path) -> None:
    with worker(database) as (pid, job_id):
        sprag("cancel", job_id)
        os.kill(pid, signal.SIGKILL)
    assert words(sprag("list").out, job_id)[1] == "lost"
    held = sprag("counts", "--json").document["queues"]["held"]
    assert (held["counts"]["cancelling"], held["lost"]) == (1, 1)


def test_a_job_whose_process_is_not_even_known_is_lost(
    sprag: Sprag, lost: str, database: Path
) -> None:
    sql(database, "DELETE FROM owner")
    assert words(sprag("list").out, lost)[1] == "lost"


def test_a_job_whose_process_runs_or_cannot_be_judged_is_not_lost(
    sprag: Sprag, ended: Ended, database: Path
) -> None:
    with worker(database) as (_pid, job_id):
        assert words(sprag("list").out, job_id)[1] == "running"
        assert sprag("counts", "--json").document["queues"]["held"]["lost"] == 0
        lock_file(database).unlink()
        assert words(sprag("list").out, job_id)[1] == "running"
    assert "LOST" not in sprag("counts").out


def test_it_is_lost_until_it_is_recovered(sprag: Sprag, lost: str) -> None:
    assert sprag("recover").code == 0
    assert words(sprag("list").out, lost)[1] == "queued"
    assert sprag("show", lost, "--json").document["job"]["lost"] is False


def test_an_id_that_is_enqueued_again_says_so(sprag: Sprag, lost: str) -> None:
    (job,) = sprag("enqueue", "held", "1", "--id", lost, "--json").document["jobs"]
    assert (job["status"], job["lost"]) == ("running", True)


def test_the_live_view_says_so(lost: str, database: Path) -> None:
    with terminal.screen("watch", "-d", database, columns=120) as shown:
        shown.wait_for(lambda seen: "NO JOB RUNS, 1 LOST" in seen and "its process died" in seen)
        shown.process.send_signal(signal.SIGINT)
        assert shown.end()[0] == 130


def test_whoever_waits_for_it_is_told(
    sprag: Sprag, lost: str, database: Path, make_queue: MakeQueue
) -> None:
    with terminal.beside("watch", lost, "-d", database) as process:
        said = terminal.line_with(process, "is lost")
        assert said == (
            f"job {lost} is lost: its process died; a worker that runs or starts takes it over\n"
        )
        with make_queue(queue_class(name="held")):
            assert process.wait(DEADLINE) == 0
