from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path
from typing import Any

import apsw
import pytest

from sprag.queue import DatabaseCorrupt, DatabaseError, DatabaseRefused, QueueService
from sprag.queue.file.checkpoints import PAGE_BYTES
from tests.conftest import MakeQueue
from tests.support import DEADLINE, Gate, finished, raw, sql


def check(path: Path) -> None:
    """A copy holds what every file must, and nothing runs in it."""
    checks = {
        "PRAGMA integrity_check": [("ok",)],
        "SELECT coalesce(max(seq), 0) - count(*) - (SELECT pruned FROM counter) FROM transition": [
            (0,)
        ],
        "SELECT count(*) FROM job WHERE status IN ('running', 'cancelling')": [(0,)],
        "SELECT count(*) FROM owner": [(0,)],
        # The newest transition of each job is what its row says.
        "SELECT count(*) FROM job WHERE (status, event) IS NOT (SELECT to_status, event "
        "FROM transition WHERE job = key ORDER BY seq DESC LIMIT 1)": [(0,)],
    }
    for statement, rows in checks.items():
        assert sql(path, statement) == rows, statement


def test_a_backup_is_a_database_like_the_original(make_queue: MakeQueue, tmp_path: Path) -> None:
    with make_queue() as queue:
        done = finished(queue, *queue.enqueue_many(range(20)))
        later = queue.enqueue((1, 2), delay=1000, label="later")
        queue.backup(tmp_path / "copy.db")
        history = queue.history(done[0].id)
    copy = make_queue(database=tmp_path / "copy.db")
    check(tmp_path / "copy.db")
    assert [copy.get(job.id) for job in done] == done
    assert copy.get(later.id) == later
    assert copy.history(done[0].id) == history
    # It goes on by itself, and the original does not notice.
    with copy:
        assert finished(copy, copy.enqueue("new"))[0].result == "new"
    assert sum(queue.counts().values()) == 21


def test_jobs_that_run_are_queued_in_the_copy_and_cost_no_attempt(
    make_queue: MakeQueue, tmp_path: Path
) -> None:
    gate = Gate()
    with make_queue(lambda self, item: gate.hold(), worker_count=2) as queue:
        running, asked = queue.enqueue_many([1, 2])
        gate.wait_held(2)
        queue.cancel(asked.id)
        queue.backup(tmp_path / "copy.db")
        assert queue.get(running.id).status == "running"
        assert queue.get(asked.id).status == "cancelling"
        gate.open()
        finished(queue, running, asked)
    check(tmp_path / "copy.db")
    copy = make_queue(database=tmp_path / "copy.db")
    again = copy.get(running.id)
    assert (again.status, again.attempt, again.crashes) == ("queued", 0, 0)
    assert copy.get(asked.id).status == "cancelled"
    with copy:
        assert finished(copy, running)[0].status == "completed"


def test_a_backup_while_work_goes_on_is_of_one_instant(
    make_queue: MakeQueue, tmp_path: Path
) -> None:
    ended = threading.Event()
    with make_queue() as queue:

        def work() -> None:
            while not ended.is_set():
                queue.enqueue_many(range(20))

        thread = threading.Thread(target=work)
        thread.start()
        try:
            for n in range(5):
                queue.backup(tmp_path / f"{n}.db")
        finally:
            ended.set()
            thread.join(DEADLINE)
    for n in range(5):
        check(tmp_path / f"{n}.db")
        # Twenty at a time or not at all.
        assert sql(tmp_path / f"{n}.db", "SELECT count(*) % 20 FROM job") == [(0,)]


def test_a_backup_is_one_file(make_queue: MakeQueue, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    queue = make_queue()
    job = queue.enqueue(1)
    queue.backup(folder / "copy.db")
    assert [file.name for file in folder.iterdir()] == ["copy.db"]
    # All of it is in that file: it can be moved alone.
    shutil.move(folder / "copy.db", tmp_path / "moved.db")
    assert make_queue(database=tmp_path / "moved.db").get(job.id) == job


def test_a_relative_path_is_taken_from_the_working_directory(
    make_queue: MakeQueue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = make_queue()
    queue.enqueue(1)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    queue.backup("copy.db")
    assert (tmp_path / "here" / "copy.db").is_file()


@pytest.mark.parametrize("kind", ["file", "empty", "folder", "link", "itself"])
def test_a_target_that_exists_is_refused_and_left(
    make_queue: MakeQueue, tmp_path: Path, kind: str
) -> None:
    queue = make_queue()
    job = queue.enqueue(1)
    target = Path(queue.database) if kind == "itself" else tmp_path / "target"
    match kind:
        case "file":
            target.write_text("precious")
        case "empty":
            target.touch()
        case "folder":
            target.mkdir()
        case "link":
            target.symlink_to(tmp_path / "nowhere")
        case _:
            assert target.is_file()
    with pytest.raises(DatabaseRefused, match="exists already; a backup is a new file") as refusal:
        queue.backup(target)
    assert refusal.value.path == str(target)
    if kind == "file":
        assert target.read_text() == "precious"
    assert not (tmp_path / "nowhere").exists()
    assert queue.get(job.id) == job


def test_a_target_that_cannot_be_made_is_told_of(make_queue: MakeQueue, tmp_path: Path) -> None:
    queue = make_queue()
    job = queue.enqueue(1)
    target = tmp_path / "no" / "such" / "copy.db"
    with pytest.raises(DatabaseError) as refusal:
        queue.backup(target)
    assert str(target) in str(refusal.value)
    assert queue.get(job.id) == job


def test_another_file_beside_the_target_is_left_alone(
    make_queue: MakeQueue, tmp_path: Path
) -> None:
    queue = make_queue()
    queue.enqueue(1)
    beside = tmp_path / "copy.db.partial"
    beside.write_text("precious")
    queue.backup(tmp_path / "copy.db")
    assert beside.read_text() == "precious"
    check(tmp_path / "copy.db")


def test_of_several_backups_to_one_target_one_succeeds(
    make_queue: MakeQueue, tmp_path: Path
) -> None:
    queue = make_queue()
    queue.enqueue_many(range(2000))
    start = threading.Barrier(4)
    results: list[Any] = []

    def copy() -> None:
        start.wait(DEADLINE)
        try:
            queue.backup(tmp_path / "copy.db")
            results.append(None)
        except DatabaseRefused as error:
            results.append(error)

    threads = [threading.Thread(target=copy) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert len(results) == 4
    assert results.count(None) == 1
    check(tmp_path / "copy.db")
    assert sorted(file.name for file in tmp_path.iterdir() if "copy" in file.name) == ["copy.db"]


def test_a_queue_that_was_never_used_can_be_backed_up(
    make_queue: MakeQueue, tmp_path: Path
) -> None:
    queue: QueueService = make_queue()
    queue.backup(tmp_path / "copy.db")
    assert make_queue(database=tmp_path / "copy.db").counts()["queued"] == 0


def test_a_backup_shrinks_what_was_pruned(make_queue: MakeQueue, tmp_path: Path) -> None:
    queue = make_queue()
    for job in queue.enqueue_many(["x" * 1000] * 1000):
        queue.cancel(job.id)
    queue.enqueue(1)
    queue.prune(keep=0)
    queue.backup(tmp_path / "copy.db")
    assert (tmp_path / "copy.db").stat().st_size < 200_000
    with raw(tmp_path / "copy.db") as file:
        assert file.execute("PRAGMA freelist_count").get == 0


def test_of_a_damaged_file_there_is_no_backup_that_looks_like_one(
    make_queue: MakeQueue, database: Path, tmp_path: Path
) -> None:
    queue = make_queue()
    queue.enqueue_many(["x" * 400] * 200)
    queue.stop()
    with raw(database) as connection:
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        leaf: int = connection.execute(
            "SELECT max(pageno) FROM dbstat WHERE name = 'job' AND pagetype = 'leaf' AND ncell > 1"
        ).get
    with database.open("r+b") as file:
        file.seek((leaf - 1) * PAGE_BYTES + 8)
        first, second = file.read(2), file.read(2)
        file.seek(-4, os.SEEK_CUR)
        file.write(second + first)  # rows out of order
    with pytest.raises(DatabaseCorrupt, match=r"is damaged \(.*\), .*none was made"):
        make_queue().backup(tmp_path / "copy.db")
    assert list(tmp_path.glob("copy.db*")) == []
