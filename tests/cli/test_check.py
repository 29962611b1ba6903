from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.conftest import Ended, Sprag
from tests.conftest import MakeQueue
from tests.support import child, raw, sql

PROGRAMS = Path(__file__).with_name("programs")


@contextmanager
def worker(database: Path) -> Iterator[tuple[int, str]]:
    """A process that runs a job while the block lasts: its pid and the job's id."""
    with child(PROGRAMS / "holding.py", database) as process:
        assert process.stdout is not None
        yield process.pid, process.stdout.readline().strip()


def killed_worker(database: Path) -> str:
    """The id of a job whose process was killed."""
    with worker(database) as (pid, job_id):
        os.kill(pid, signal.SIGKILL)
    return job_id


def lock_file(database: Path) -> Path:
    (file,) = database.with_name(database.name + "-sprag").glob("*.lock")
    return file


def test_a_sound_file_ends_with_0(sprag: Sprag, ended: Ended) -> None:
    answer = sprag("check")
    assert answer.code == 0
    assert answer.out.startswith("no problems")
    assert sprag("check", "--json").document == {
        "ok": True, "problems": [], "owners": [], "unattended": {"images": 2},
        "unknown_tasks": [], "paused": {}, "late": [],
    }  # fmt: skip


def test_a_living_owner_is_listed_with_what_it_runs(
    sprag: Sprag, ended: Ended, database: Path
) -> None:
    with worker(database) as (pid, _job):
        (owner,) = sprag("check", "--json").document["owners"]
        assert (owner["state"], owner["pid"], owner["jobs"]) == ("alive", pid, 1)
        assert owner["advice"] == ""
        assert set(owner) == {
            "id", "state", "jobs", "pid", "host", "started_at", "workers", "tasks", "reason",
            "advice",
        }  # fmt: skip
        assert str(pid) in sprag("check").out


def test_a_dead_owner_is_no_damage_and_comes_with_advice(
    sprag: Sprag, ended: Ended, database: Path
) -> None:
    killed_worker(database)
    document = sprag("check", "--json").document
    (owner,) = document["owners"]
    assert (document["ok"], owner["state"], owner["jobs"]) == (True, "dead", 1)
    assert f"sprag recover --owner {owner['id']}" in sprag("check").out


def test_an_owner_without_its_lock_file_is_a_problem_with_advice(
    sprag: Sprag, ended: Ended, database: Path
) -> None:
    killed_worker(database)
    lock_file(database).unlink()
    answer = sprag("check", "--json")
    (owner,) = answer.document["owners"]
    (problem,) = answer.document["problems"]
    assert (answer.code, answer.document["ok"], owner["state"]) == (1, False, "unknown")
    assert f"sprag recover --owner {owner['id']}" in problem["message"]


def test_jobs_of_an_owner_that_is_not_even_known_are_a_problem(
    sprag: Sprag, ended: Ended, database: Path
) -> None:
    killed_worker(database)
    sql(database, "DELETE FROM owner")
    answer = sprag("check", "--json")
    (owner,) = answer.document["owners"]
    assert (answer.code, owner["state"], owner["jobs"], owner["pid"]) == (1, "gone", 1, None)
    assert "gone" in sprag("check").out


@pytest.mark.parametrize(
    ("kind", "damage"),
    [
        ("strays", "UPDATE job SET status = 'cancelled', event = 'cancel' WHERE priority = 7"),
        ("strays", "UPDATE job SET event = 'retry' WHERE status = 'queued'"),
        ("strays", "DELETE FROM journal WHERE job = 1"),
        ("broken_chains", "DELETE FROM journal WHERE move = 2"),
        ("broken_chains", "UPDATE journal SET move = 3 WHERE move = 5"),
        ("loose_links", "DELETE FROM journal WHERE move = 2"),
        ("loose_links", "UPDATE journal SET previous = NULL WHERE move = 2"),
        ("loose_links", "UPDATE journal SET previous = 1 WHERE move = 5"),
        ("loose_links", "UPDATE job SET newest = (SELECT min(seq) FROM journal WHERE job = key)"),
        ("orphans", "DELETE FROM job WHERE status = 'cancelled'"),
        ("gaps", "DELETE FROM journal WHERE move = 2"),
        ("gaps", "UPDATE counter SET pruned = 3"),
        ("gaps", "DELETE FROM counter"),
        ("gaps", "UPDATE journal SET seq = -1 WHERE seq = 2"),
        ("illegal_moves", "UPDATE move SET event = 'bogus' WHERE event = 'complete'"),
        ("illegal_moves", "UPDATE move SET target = 'failed' WHERE event = 'complete'"),
        ("illegal_moves", "UPDATE journal SET move = 99 WHERE move = 2"),
        ("illegal_moves", "DELETE FROM move WHERE event = 'retry'"),
        ("changed_rules", "UPDATE move SET target = 'queued' WHERE event = 'lose'"),
        ("changed_rules", "UPDATE move SET attempts = 1 WHERE event = 'recover'"),
        ("changed_rules", "DELETE FROM move WHERE event = 'lose'"),
        ("changed_rules", "INSERT INTO move (event, target) VALUES ('lose', 'failed')"),
        ("misfits", "UPDATE journal SET attempt = 5 WHERE move = 5"),
        ("misfits", "UPDATE journal SET owner = 5 WHERE move = 5"),
        ("misfits", "UPDATE journal SET error = '{}' WHERE move = 5"),
        ("misfits", "UPDATE journal SET error = NULL WHERE move = 7"),
        ("misfits", "UPDATE job SET max_attempts = 1 WHERE status = 'failed'"),
        ("misfolds", "UPDATE job SET attempt = 7 WHERE status = 'completed'"),
        ("misfolds", "UPDATE job SET starts = 7 WHERE status = 'completed'"),
        ("misfolds", "UPDATE job SET crashes = 7 WHERE status = 'completed'"),
        ("misfolds", "UPDATE job SET owner = 7 WHERE status = 'completed'"),
        ("misfolds", "UPDATE job SET error = NULL WHERE status = 'failed'"),
        ("progress", "UPDATE progress SET job = job + 1000"),
        ("progress", "UPDATE progress SET starts = 9"),
        ("progress", "UPDATE progress SET seq = 1000"),
    ],
)  # fmt: skip
def test_each_broken_invariant_is_found(
    sprag: Sprag, ended: Ended, database: Path, kind: str, damage: str
) -> None:
    with raw(database) as connection:
        for (name,) in connection.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'trigger'"
        ).fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute(damage)
    answer = sprag("check", "--json")
    assert answer.code == 1
    assert not answer.document["ok"]
    problems = answer.document["problems"]
    assert kind in {problem["kind"] for problem in problems}
    assert all(set(p) == {"kind", "message", "job_id", "seq"} for p in problems)
    words = sprag("check")
    assert words.code == 1
    assert kind in words.out
    assert "restore a backup" in words.out


@pytest.mark.parametrize("name", ["journal", "job", "job_by_status", "move", "owner", "counter"])
def test_a_damaged_page_is_found(sprag: Sprag, ended: Ended, database: Path, name: str) -> None:
    with raw(database) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name = ?", (name,)
        ).fetchone()  # type: ignore[misc]  # there is one
        size = connection.execute("PRAGMA page_size").get
    with database.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\x55" * size)
    answer = sprag("check", "--json")
    assert answer.code == 1
    problems = answer.document["problems"]
    assert problems[0]["kind"] == "integrity"
    assert "page" in problems[0]["message"]
    # The other questions are asked as well, whatever comes of it.
    assert any("cannot be" in problem["message"] for problem in problems)
    assert sprag("check").code == 1


def test_a_file_too_damaged_to_open_is_a_finding_not_an_error(
    sprag: Sprag, ended: Ended, database: Path
) -> None:
    data = database.read_bytes()
    database.write_bytes(data[:100] + bytes(len(data) - 100))
    answer = sprag("check", "--json")
    assert answer.code == 1
    assert [problem["kind"] for problem in answer.document["problems"]] == ["integrity"]


def test_a_truncated_file_is_found(sprag: Sprag, ended: Ended, database: Path) -> None:
    with raw(database) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = database.read_bytes()
    database.write_bytes(data[: len(data) // 2])
    assert sprag("check").code == 1


def test_jobs_that_nobody_runs_are_named_and_not_wrong(sprag: Sprag, make_queue: MakeQueue) -> None:
    make_queue(name="mail").enqueue_many(range(3))
    answer = sprag("check")
    assert answer.code == 0
    assert "mail: 3 jobs wait and no process runs this queue" in answer.out
    assert sprag("check", "--json").document["unattended"] == {"mail": 3}
