"""What stands beside the database survives a power loss as well: a name in a folder is there for
good only once the folder is synced, and a deletion must not outlive what it relies on."""

from __future__ import annotations

import os
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest

from sprag.queue import QueueService
from sprag.queue.journal import Journal
from sprag.queue.owners import OwnerLock
from sprag.queue.recovery import Recovery
from sprag.web import Upload
from sprag.web.visitor import secret_of
from tests.conftest import MakeQueue
from tests.support import finished, sql

Durabilities = pytest.mark.parametrize("durability", ["full", "normal"])


class Disk:
    """What is asked of the disk outside of SQLite: `sync` and `delete` are called at each, with
    the path, before it is done."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sync: Callable[[Path], None] = lambda path: None
        self.delete: Callable[[Path], None] = lambda path: None
        fsync, unlink = os.fsync, os.unlink

        def synced(fd: int) -> None:
            self.sync(Path(f"/proc/self/fd/{fd}").readlink())
            fsync(fd)

        def unlinked(path: str | Path) -> None:
            self.delete(Path(path))
            unlink(path)

        monkeypatch.setattr(os, "fsync", synced)
        monkeypatch.setattr(os, "unlink", unlinked)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("needs /proc to tell which file a descriptor is of")
    return Disk(monkeypatch)


def owners(database: Path) -> int:
    return int(sql(database, "SELECT count(*) FROM owner")[0][0])


def test_a_lock_file_is_there_for_good_before_its_owner_is_known(
    make_queue: MakeQueue, database: Path, disk: Disk
) -> None:
    queue = make_queue()
    queue.enqueue(1)
    folder = Path(f"{database}-sprag")
    seen: list[tuple[Path, int, int]] = []
    disk.sync = lambda path: seen.append((path, len(list(folder.glob("*.lock"))), owners(database)))
    queue.start()
    assert seen[:2] == [(database.parent, 0, 0), (folder, 1, 0)]
    assert owners(database) == 1


@Durabilities
def test_a_lock_file_is_deleted_only_once_its_owner_is_forgotten_for_good(
    make_queue: MakeQueue, database: Path, disk: Disk, durability: str
) -> None:
    queue = make_queue(durability=durability)
    queue.start()
    finished(queue, queue.enqueue(1))
    told = watched(disk, database)
    queue.stop()
    assert told == wanted(durability)


@Durabilities
def test_so_it_is_when_a_dead_owner_s_jobs_were_recovered(
    make_queue: MakeQueue, database: Path, disk: Disk, durability: str
) -> None:
    queue = make_queue(durability=durability)
    queue.enqueue(1)
    folder = Path(f"{database}-sprag")
    folder.mkdir()
    lock = OwnerLock(folder)
    journal = journal_of(queue)
    journal.add_owner(lock.token, 1, "here")
    lock.abandon()
    recovery = Recovery(journal, folder)
    recovery.refresh()
    told = watched(disk, database)
    recovery.sweep()
    assert told == wanted(durability)


def journal_of(queue: QueueService) -> Journal:
    engine = queue._open()
    return engine.journal


def watched(disk: Disk, database: Path) -> list[str]:
    """What happens from now on, as far as the owner's end is concerned."""
    told: list[str] = []

    def sync(path: Path) -> None:
        if path.name == f"{database.name}-wal":
            told.append(f"the log is synced with {owners(database)} owners in it")

    def delete(path: Path) -> None:
        if path.suffix == ".lock":
            told.append(f"the lock file is deleted with {owners(database)} owners known")

    disk.sync, disk.delete = sync, delete
    return told


def wanted(durability: str) -> list[str]:
    end = ["the lock file is deleted with 0 owners known"]
    if durability == "normal":
        # Here no commit is synced by SQLite itself.
        return ["the log is synced with 0 owners in it", *end]
    return end


def test_the_log_that_cannot_be_synced_leaves_the_lock_file(
    make_queue: MakeQueue, database: Path, disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    queue = make_queue(durability="normal")
    queue.start()

    def fail(path: Path) -> None:
        raise OSError(5, "Input/output error")

    disk.sync = fail
    queue.stop()
    assert "could not sign off" in caplog.text
    assert len(list(Path(f"{database}-sprag").glob("*.lock"))) == 1
    caplog.clear()


def test_an_upload_is_saved_for_good_name_and_all(tmp_path: Path, disk: Disk) -> None:
    seen: list[tuple[str, int]] = []
    disk.sync = lambda path: seen.append((path.name, (tmp_path / "cat.jpg").stat().st_size))
    Upload("cat.jpg", 3, "image/jpeg", BytesIO(b"cat")).save(tmp_path / "cat.jpg")
    assert seen == [("cat.jpg", 3), (tmp_path.name, 3)]


def test_the_secret_that_signs_cookies_stays_name_and_all(database: Path, disk: Disk) -> None:
    seen: list[tuple[str, bool]] = []
    folder = Path(f"{database}-sprag")
    disk.sync = lambda path: seen.append((path.name, (folder / "secret").exists()))
    secret_of(str(database))
    assert seen[0] == (database.parent.name, False)
    assert seen[-1] == (folder.name, True)
