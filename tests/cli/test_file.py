"""The database as the program finds it, and what it leaves of it: refusals, backup, prune."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli import terminal
from tests.cli.conftest import Ended, Sprag
from tests.conftest import MakeQueue
from tests.support import DEADLINE, raw, sql, unmeasured, zipped

ID = "0" * 32
LOOKING = [
    ("list",), ("show", ID), ("counts",), ("watch",), ("check",), ("recover",),
    ("cancel", ID), ("requeue", ID), ("prune", "--keep=1", "--yes"),
    ("pause", "mail"), ("resume", "mail"), ("backup", "copy.db"),
]  # fmt: skip


def no_database(path: Path) -> None:
    path.write_text("dear diary, " * 500)


def empty(path: Path) -> None:
    path.touch()


def folder(path: Path) -> None:
    path.mkdir()


def of_another_application(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.executescript("PRAGMA application_id = 7; CREATE TABLE diary (entry)")
    connection.close()


def of_nobody(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE diary (entry)")
    connection.close()


def dangling(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


def nothing(path: Path) -> None:
    pass


@pytest.mark.parametrize("arguments", LOOKING, ids=lambda arguments: arguments[0])
@pytest.mark.parametrize(
    "make", [nothing, no_database, empty, folder, of_another_application, of_nobody, dangling]
)
def test_what_is_no_database_of_sprag_is_refused_and_left_as_it_is(
    sprag: Sprag,
    database: Path,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[Path], None],
    arguments: tuple[str, ...],
) -> None:
    monkeypatch.chdir(database.parent)
    make(database)
    before = contents(database.parent)
    answer = sprag(*arguments)
    assert (answer.code, answer.out) == (3, "")
    assert "Traceback" not in answer.err
    error = sprag(*arguments, "--json").error
    assert error["exit_code"] == 3
    assert error["kind"] in ("database_missing", "database_refused")
    assert contents(database.parent) == before


@pytest.mark.parametrize("make", [no_database, folder, of_another_application, of_nobody])
def test_nothing_is_enqueued_into_what_is_no_database_of_sprag(
    sprag: Sprag, database: Path, make: Callable[[Path], None]
) -> None:
    make(database)
    before = contents(database.parent)
    assert sprag("enqueue", "q", "1", "--json").error["exit_code"] == 3
    assert contents(database.parent) == before


def test_a_newer_format_is_refused(sprag: Sprag, ended: Ended, database: Path) -> None:
    sql(database, "PRAGMA user_version = 99")
    for arguments in LOOKING:
        error = sprag(*arguments, "--json").error
        assert (error["kind"], error["exit_code"]) == ("database_refused", 3)
        assert "newer version of sprag" in error["message"]


def test_a_file_in_a_folder_that_is_not_there_is_refused(sprag: Sprag, tmp_path: Path) -> None:
    assert sprag("enqueue", "q", "1", "-d", tmp_path / "no" / "jobs.db").code == 3


@pytest.mark.parametrize("arguments", [("list",), ("counts",), ("check",), ("backup", "b.db")])
def test_looking_leaves_no_lock_and_writes_nothing(
    sprag: Sprag, ended: Ended, database: Path, monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory, arguments: tuple[str, ...],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    locks = database.with_name(database.name + "-sprag")
    assert not locks.exists()  # the queue's stop has removed it
    assert sprag("list").code == 0
    before = database.read_bytes()
    assert sprag(*arguments).code == 0
    assert not locks.exists()
    assert database.read_bytes() == before


def test_a_writer_that_does_not_let_go_ends_a_change_with_3(
    sprag: Sprag, ended: Ended, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sprag.cli.settings._BUSY_SECONDS", 0.1)
    with raw(database) as other:
        other.execute("BEGIN IMMEDIATE")
        assert sprag("list").code == 0
        error = sprag("cancel", ended.queued.id, "--json").error
        other.execute("ROLLBACK")
    assert (error["kind"], error["exit_code"]) == ("database_locked", 3)
    assert sprag("cancel", ended.queued.id).code == 0


def test_a_backup_is_a_database_of_its_own(sprag: Sprag, ended: Ended, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    document = sprag("backup", target, "--json").document
    assert document == {"path": str(target), "bytes": target.stat().st_size}
    copied = sprag("list", "--json", "-d", target).document
    assert copied == sprag("list", "--json").document
    assert sprag("check", "-d", target).code == 0


def test_a_backup_replaces_nothing(sprag: Sprag, ended: Ended, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    target.write_text("mine")
    error = sprag("backup", target, "--json").error
    assert (error["kind"], error["exit_code"]) == ("target_exists", 1)
    assert target.read_text() == "mine"


def test_a_backup_needs_a_folder(sprag: Sprag, ended: Ended, tmp_path: Path) -> None:
    answer = sprag("backup", tmp_path / "no" / "copy.db")
    assert answer.code == 1
    assert "its folder does not exist" in answer.err


def test_a_backup_says_how_large_it_is(sprag: Sprag, ended: Ended, tmp_path: Path) -> None:
    answer = sprag("backup", tmp_path / "copy.db")
    assert answer.code == 0
    assert answer.out.rstrip().endswith("kB")


def test_finished_jobs_are_pruned_by_count_and_by_age(sprag: Sprag, make_queue: MakeQueue) -> None:
    for name in ("one", "two"):
        queue = make_queue(name=name)
        for job in queue.enqueue_many(range(5)):
            queue.cancel(job.id)
        queue.enqueue(1)
        queue.stop()
    assert sprag("prune", f"--keep={10**30}", "--yes").out == "deleted 0 jobs\n"
    assert sprag("prune", "--older-than=1h", "--yes").out == "deleted 0 jobs\n"
    document = sprag("prune", "--keep=3", "-q", "one", "--yes", "--json").document
    assert document == {"deleted": 2, "queues": {"one": 2}}
    assert sprag("prune", "--keep=4", "--yes").out == "deleted 1 job\n"
    assert sprag("prune", "--older-than=0", "--yes").out == "deleted 7 jobs\n"
    counts = sprag("counts", "--json").document["queues"]
    assert {name: queue["counts"]["queued"] for name, queue in counts.items()} == {
        "one": 1,
        "two": 1,
    }
    assert sprag("check").code == 0


@pytest.mark.parametrize("arguments", [(), ("--keep=-1",), ("--older-than=old",), ("--keep=1",)])
def test_pruning_needs_a_limit_and_consent(
    sprag: Sprag, ended: Ended, arguments: tuple[str, ...]
) -> None:
    answer = sprag("prune", *arguments)
    assert (answer.code, answer.out) == (2, "")
    assert sprag("counts", "--json").document["queues"]["images"]["counts"]["failed"] == 1


def test_a_damaged_file_ends_with_3_and_says_what_to_do(
    sprag: Sprag, ended: Ended, database: Path
) -> None:
    data = database.read_bytes()
    database.write_bytes(data[:100] + bytes(len(data) - 100))
    answer = sprag("list")
    assert answer.code == 3
    assert "sprag check" in answer.err
    assert sprag("list", "--json").error["kind"] == "database_corrupt"


def test_a_file_that_may_only_be_read_can_still_be_looked_at(ended: Ended, database: Path) -> None:
    database.chmod(0o400)
    done = terminal.run("list", "-d", database)
    assert done.returncode == 0
    assert ended.failed.id in done.stdout


def test_the_program_runs_from_a_zip(ended: Ended, database: Path, tmp_path: Path) -> None:
    variables = {**unmeasured(), "PYTHONPATH": str(zipped(tmp_path))}
    code = "import sprag, sys; sys.exit('lib.zip' not in sprag.__file__)"
    subprocess.run(
        [sys.executable, "-c", code], env=variables, cwd=tmp_path, check=True, timeout=DEADLINE
    )
    for command in ("list", "counts", "check"):
        done = subprocess.run(
            [sys.executable, "-m", "sprag", command, "--json", "-d", str(database)],
            env=variables, cwd=tmp_path, capture_output=True, text=True, timeout=DEADLINE,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)


def contents(folder: Path) -> dict[str, str]:
    """A digest of every file below, apart from what SQLite keeps beside a database."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in folder.rglob("*")
        if not path.name.endswith(("-wal", "-shm"))
    }
