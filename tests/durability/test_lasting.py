"""With "normal" durability commits are not synced, but for those that something else relies on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from sprag.queue.file.database import Database
from sprag.queue.liveness.owners import OwnerLock, forget
from sprag.queue.liveness.recovery import Recovery
from sprag.queue.store.store import Store
from tests.conftest import MakeQueue
from tests.support import finished


class WatchingVFS(apsw.VFS):
    """The system's, and it knows whether the WAL has writes that no sync followed."""

    def __init__(self) -> None:
        self.name = "sprag-watching"
        self.unsynced = False
        super().__init__(self.name, base="")

    def xOpen(  # noqa: N802  # SQLite's name
        self, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> apsw.VFSFile:
        if flags[0] & apsw.SQLITE_OPEN_WAL:
            return WatchedFile(self, name, flags)
        return apsw.VFSFile("", name, flags)


class WatchedFile(apsw.VFSFile):
    def __init__(
        self, vfs: WatchingVFS, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> None:
        self._vfs = vfs
        super().__init__("", name, flags)

    def xWrite(self, data: Any, offset: int) -> None:  # noqa: N802  # SQLite's name
        super().xWrite(data, offset)
        self._vfs.unsynced = True

    def xSync(self, flags: int) -> None:  # noqa: N802  # SQLite's name
        super().xSync(flags)
        self._vfs.unsynced = False


@pytest.fixture
def vfs() -> Iterator[WatchingVFS]:
    made = WatchingVFS()
    yield made
    made.unregister()


def test_an_owner_has_left_on_the_disk_too_before_its_lock_file_goes(
    make_queue: MakeQueue, vfs: WatchingVFS, monkeypatch: pytest.MonkeyPatch
) -> None:
    unsynced: list[bool] = []
    release = OwnerLock.release

    def noted(lock: OwnerLock) -> None:
        unsynced.append(vfs.unsynced)
        release(lock)

    monkeypatch.setattr(OwnerLock, "release", noted)
    queue = make_queue(vfs=vfs.name, durability="normal").start()
    finished(queue, queue.enqueue(1))
    assert vfs.unsynced
    queue.stop()
    assert unsynced == [False]


def test_recovery_is_on_the_disk_before_the_dead_owners_lock_file_goes(
    database: Path, vfs: WatchingVFS, monkeypatch: pytest.MonkeyPatch
) -> None:
    unsynced: list[bool] = []

    def noted(folder: Path, token: str) -> None:
        unsynced.append(vfs.unsynced)
        forget(folder, token)

    monkeypatch.setattr("sprag.queue.liveness.recovery.forget", noted)
    file = Database(str(database), "normal", vfs=vfs.name)
    try:
        store = Store(file)
        lock = OwnerLock(Path(f"{database}-sprag"))
        store.owners.add(lock.token, 1, "host")
        lock.abandon()
        assert vfs.unsynced
        looked = Recovery(store, Path(f"{database}-sprag"))
        looked.refresh()
        looked.sweep()
        assert unsynced == [False]
        # What comes next is fast again.
        store.journal.notify("someone", "signal", "{}")
        assert vfs.unsynced
    finally:
        file.close()


def test_a_lasting_commit_of_a_new_writer_is_synced(database: Path, vfs: WatchingVFS) -> None:
    """The first one failed: nothing that was set for it holds for the one in its place."""
    file = Database(str(database), "normal", vfs=vfs.name)
    file.begin(lasting=True)
    file.rollback()
    with file.turn:
        file.renew()
    file.begin(lasting=True)
    file.writer.execute("INSERT INTO owner (token, pid, host, started_at) VALUES ('t', 1, 'h', 0)")
    file.commit()
    assert not vfs.unsynced
    file.close()
