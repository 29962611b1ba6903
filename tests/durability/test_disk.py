"""What stands beside the database survives a power loss as well: a name in a folder is there for
good only once the folder is synced."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from sprag.queue.liveness.owners import OwnerLock
from tests.conftest import MakeQueue
from tests.support import sql
from tests.synced import Disk


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
    assert list((tmp_path / "owners").glob("*.lock")) == []
