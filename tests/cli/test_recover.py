from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.cli.conftest import Ended, Sprag
from tests.cli.test_check import PROGRAMS, killed_worker, lock_file, worker
from tests.support import child, sql


def owners(sprag: Sprag) -> list[int]:
    return [owner["id"] for owner in sprag("check", "--json").document["owners"]]


def status(sprag: Sprag, job_id: str) -> str:
    return str(sprag("show", job_id, "--json").document["job"]["status"])


def test_the_jobs_of_all_dead_owners_are_taken_back(sprag: Sprag, database: Path) -> None:
    job_id = killed_worker(database)
    lock = lock_file(database)
    (owner,) = owners(sprag)
    document = sprag("recover", "--json").document
    job = {"id": job_id, "queue": "held", "event": "recover", "status": "queued"}
    assert document == {"owners": [{"owner": owner, "jobs": [job]}], "left": []}
    assert status(sprag, job_id) == "queued"
    assert not lock.exists()
    assert sprag("check").code == 0
    assert sprag("recover", "--json").document == {"owners": [], "left": []}


def test_a_job_that_was_asked_to_cancel_is_cancelled(sprag: Sprag, database: Path) -> None:
    with worker(database) as (pid, job_id):
        assert sprag("cancel", job_id).out == f"{job_id} cancelling\n"
        os.kill(pid, signal.SIGKILL)
    answer = sprag("recover")
    assert answer.out == f"{job_id} held cancelled\n"
    assert "1 job" in answer.err
    assert status(sprag, job_id) == "cancelled"


def test_a_living_owner_is_refused_and_left_alone(sprag: Sprag, database: Path) -> None:
    with worker(database) as (_pid, job_id):
        (owner,) = owners(sprag)
        for extra in ((), ("--yes",), ("--yes", "--force")):
            error = sprag("recover", "--owner", owner, "--json", *extra).error
            assert (error["kind"], error["exit_code"]) == ("owner_alive", 1)
        assert sprag("recover", "--json").document["owners"] == []
        assert status(sprag, job_id) == "running"


def test_an_owner_without_lock_file_is_recovered_by_name_and_consent_alone(
    sprag: Sprag, database: Path
) -> None:
    job_id = killed_worker(database)
    lock_file(database).unlink()
    (owner,) = owners(sprag)
    left = sprag("recover", "--json").document["left"]
    assert [one["state"] for one in left] == ["unknown"]
    assert sprag("recover", "--owner", owner).code == 2
    assert status(sprag, job_id) == "running"
    assert sprag("recover", "--owner", owner, "--yes").code == 0
    assert status(sprag, job_id) == "queued"


def test_an_owner_without_lock_file_whose_process_runs_needs_force(
    sprag: Sprag, database: Path
) -> None:
    with worker(database) as (_pid, job_id):
        lock_file(database).unlink()
        (owner,) = owners(sprag)
        error = sprag("recover", "--owner", owner, "--yes", "--json").error
        assert (error["kind"], error["exit_code"]) == ("owner_may_live", 1)
        assert status(sprag, job_id) == "running"
        assert sprag("recover", "--owner", owner, "--yes", "--force").code == 0
        # In the journal: its worker lives, and may have started it again by now.
        events = sql(database, "SELECT event FROM transition ORDER BY seq")
        assert [event for (event,) in events][:3] == ["enqueue", "start", "recover"]


def test_jobs_of_an_owner_that_is_not_even_known_are_taken_back(
    sprag: Sprag, database: Path
) -> None:
    job_id = killed_worker(database)
    sql(database, "DELETE FROM owner")
    (owner,) = owners(sprag)
    assert sprag("recover", "--owner", owner, "--yes").out == f"{job_id} held queued\n"
    assert sprag("check").code == 0


@pytest.mark.parametrize("owner", ["99", "0", "me"])
def test_an_owner_that_is_not_there_is_refused(sprag: Sprag, ended: Ended, owner: str) -> None:
    answer = sprag("recover", "--owner", owner)
    assert (answer.code, answer.out) == (1 if owner == "99" else 2, "")


def test_the_command_is_the_one_that_the_queue_names_in_its_log(
    sprag: Sprag, database: Path
) -> None:
    killed_worker(database)
    lock_file(database).unlink()
    with child(PROGRAMS / "taking_over.py", database) as process:
        assert process.stdout is not None
        log = process.stdout.read()
    (command,) = [part for part in log.split("`") if part.startswith("sprag recover")]
    assert sprag(*command.split()[1:], "--yes").code == 0
    assert owners(sprag) == []
