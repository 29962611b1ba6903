"""Where a database may be, and what is said of a path where none can be."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sprag.queue import (
    ConfigurationError,
    DatabaseError,
    DatabaseReadOnly,
    DatabaseRefused,
    QueueService,
    ReadFailed,
)
from sprag.queue.file import place
from sprag.queue.file.database import Database
from sprag.queue.file.mounts import Ground
from sprag.queue.file.place import check_place
from tests.conftest import MakeQueue
from tests.support import finished


def refused(path: str, told: str, kind: type[DatabaseError] = DatabaseRefused) -> None:
    with pytest.raises(kind, match=told) as caught:
        QueueService(name="work", database=path).counts()
    assert "right" not in str(caught.value)
    assert "read-only" not in str(caught.value)


def long_folder(base: Path, size: int) -> Path:
    """A folder below `base` whose path has `size` bytes."""
    folder = base
    while (left := size - len(str(folder))) > 0:
        folder /= "d" * min(left - 1, 200) if left > 1 else ""
        if left == 1:
            break
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.mark.parametrize("size", [504, 505, 511, 512, 700])
def test_a_path_longer_than_sqlite_takes_is_refused_as_such(tmp_path: Path, size: int) -> None:
    folder = long_folder(tmp_path, size - len("/jobs.db"))
    path = folder / "jobs.db"
    assert len(str(path)) == size
    if size <= 504:
        queue = QueueService(name="work", database=path)
        queue.enqueue(1)
        queue.stop()
        return
    refused(str(path), f"is too long: it has {size} bytes, and SQLite takes at most 504")
    assert not path.exists()


@pytest.mark.parametrize("size", [247, 248, 255])
def test_a_name_that_leaves_no_room_for_those_beside_it_is_refused(
    tmp_path: Path, size: int
) -> None:
    path = tmp_path / ("n" * size)
    if size <= 247:
        with_workers = QueueService(name="work", database=path)
        with_workers.enqueue(1)
        with_workers.stop()
        return
    refused(str(path), f"the file's name has {size} bytes, expected at most 247")
    assert list(tmp_path.iterdir()) == []


def test_a_name_too_long_for_the_system_is_refused_as_such(tmp_path: Path) -> None:
    refused(str(tmp_path / ("n" * 300)), "the file's name has 300 bytes")
    refused(str(tmp_path / ("n" * 300) / "jobs.db"), "is too long for this system, or a part of it")


def test_a_backup_to_a_path_that_is_too_long_is_refused_as_such(
    make_queue: MakeQueue, tmp_path: Path
) -> None:
    queue = make_queue()
    queue.enqueue(1)
    with pytest.raises(DatabaseRefused, match="is too long"):
        queue.backup(tmp_path / ("n" * 250))
    with pytest.raises(DatabaseRefused, match="is too long"):
        queue.backup(long_folder(tmp_path, 500) / "copy.db")
    assert not list(tmp_path.glob("*partial*"))


def test_a_circle_of_links_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    refused(str(tmp_path / "a" / "jobs.db"), "links that lead back to themselves")
    refused(str(tmp_path / "a"), "links that lead back to themselves")


def test_a_link_among_the_folders_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    queue = QueueService(name="work", database=tmp_path / "link" / "jobs.db")
    queue.enqueue(1)
    queue.stop()
    assert (tmp_path / "real" / "jobs.db").is_file()


@pytest.mark.parametrize(
    "path",
    ["", ":memory:", "file:jobs.db", "file:/tmp/jobs.db?mode=ro", "sqlite:///jobs.db", "a\0b"],
)
def test_what_is_no_path_is_refused_where_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match=r"database: expected the path of a file"):
        QueueService(name="work", database=path)
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_is_no_text_for_sqlite_is_refused(tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/j\xffbs.db")
    with pytest.raises(DatabaseRefused, match="is not valid UTF-8"):
        Database(path)
    with pytest.raises(DatabaseRefused, match="NUL"):
        Database(f"{tmp_path}/a\0b")


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """An errno that every look at a file named jobs.db fails with."""
    codes: list[int] = []
    stat = os.stat

    def looked(path: Any, *more: Any, **options: Any) -> Any:
        if codes and str(path).endswith("jobs.db"):
            raise OSError(codes[0], os.strerror(codes[0]), str(path))
        return stat(path, *more, **options)

    monkeypatch.setattr(os, "stat", looked)
    yield codes
    codes.clear()


@pytest.mark.parametrize(
    ("code", "kind", "told"),
    [
        (errno.EIO, ReadFailed, "cannot be looked at .Input/output error"),
        (errno.EACCES, DatabaseReadOnly, "may enter every folder of the path"),
        (errno.ELOOP, DatabaseRefused, "lead back to themselves"),
        (errno.ENAMETOOLONG, DatabaseRefused, "too long for this system"),
    ],
)
def test_each_reason_that_a_path_cannot_be_looked_at_has_its_own_words(
    database: Path, failing: list[int], code: int, kind: type[DatabaseError], told: str
) -> None:
    failing.append(code)
    with pytest.raises(kind, match=told):
        check_place(str(database), create=True)


# ---------------------------------------------------------------- file systems


@pytest.mark.parametrize(
    ("on", "told"),
    [
        (Ground("nfs4", "network"), r"network file system \(nfs4\)"),
        (Ground("virtiofs", "shared"), r"shares with its host \(virtiofs\).*named volume"),
        (Ground("fakeowner", "shared", True), r"shares with its host \(fakeowner\)"),
    ],
)
def test_where_locks_do_not_hold_nothing_is_opened(
    database: Path, monkeypatch: pytest.MonkeyPatch, on: Ground, told: str
) -> None:
    monkeypatch.setattr(place, "ground", lambda path: on)
    refused(str(database), told)
    assert not database.exists()


@pytest.mark.parametrize(
    ("on", "told"),
    [
        (Ground("ext4", "local", True), "is mounted as a single file, so .*-wal"),
        (Ground("fuse.mergerfs", "served"), r"a program serves \(fuse.mergerfs\)"),
    ],
)
def test_where_they_may_not_hold_it_is_said_once(
    make_queue: MakeQueue,
    database: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    on: Ground,
    told: str,
) -> None:
    monkeypatch.setattr(place, "ground", lambda path: on)
    for _ in range(2):
        with make_queue() as queue:
            finished(queue, queue.enqueue(1))
    said = [record for record in caplog.records if str(database) in record.getMessage()]
    assert len(said) == 1
    assert said[0].levelname == "WARNING"
    assert caplog.text.count("mounted as a single file") + caplog.text.count("program serves") == 1
    assert re.search(told, said[0].getMessage())
