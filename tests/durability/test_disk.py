"""What stands beside the database survives a power loss as well: a name in a folder is there for
good only once the folder is synced."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest

from sprag.queue.owners import OwnerLock
from sprag.web import Upload
from sprag.web.secret import secret_of
from tests.conftest import MakeQueue
from tests.support import sql


class Disk:
    """What is synced outside of SQLite: `sync` is called with each path, before it is done."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sync: Callable[[Path], None] = lambda path: None
        fsync = os.fsync

        def synced(fd: int) -> None:
            self.sync(Path(f"/proc/self/fd/{fd}").readlink())
            fsync(fd)

        monkeypatch.setattr(os, "fsync", synced)


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


def test_a_folder_that_cannot_be_synced_keeps_nobody_from_working(
    tmp_path: Path, disk: Disk
) -> None:
    def refuse(path: Path) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    disk.sync = refuse
    OwnerLock(tmp_path / "owners").release()


def test_a_folder_that_fails_leaves_no_lock_file(tmp_path: Path, disk: Disk) -> None:
    def fail(path: Path) -> None:
        if path.name == "owners":
            raise OSError(errno.EIO, "Input/output error")

    disk.sync = fail
    with pytest.raises(OSError, match="Input/output"):
        OwnerLock(tmp_path / "owners")
    assert list((tmp_path / "owners").iterdir()) == []


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
