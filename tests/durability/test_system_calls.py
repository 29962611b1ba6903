"""The package's own system calls fail: those on lock files, on the reserve and on their folder.

Those of SQLite fail in test_every_call.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import sqlite3
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import _oracle as oracle
from _faults import openings
from _faults.plans import Plan
from _faults.trigger import Trigger
from _faults.workload import open_files
from sprag.queue import (
    DatabaseError,
    DatabaseFull,
    DatabaseReadOnly,
    DatabaseRefused,
    QueueError,
    QueueService,
)
from sprag.queue.liveness.owners import OwnerLock
from sprag.queue.service import life_of
from sprag.queue.store.store import Store
from tests.conftest import MakeQueue
from tests.support import DEADLINE, finished, queue_class, said, some

PROGRAMS = Path(__file__).with_name("programs")

ERRNOS = {
    "open": ("EMFILE", "EIO"),
    "mkdir": ("ENOSPC", "EACCES"),
    "rename": ("ENOSPC", "EACCES"),
    "rmdir": ("EIO", "EACCES"),
    "unlink": ("EIO", "EACCES"),
    "flock": ("ENOLCK",),
    "posix_fallocate": ("ENOSPC", "EOPNOTSUPP"),
    "fsync": ("EIO",),
    "stat": ("EIO", "EACCES"),
}


class OwnCalls:
    """While `trigger` says so, calls of Python's on what belongs to a queue fail."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.trigger = Trigger()
        self.errno = "EIO"
        for name in ("open", "mkdir", "rename", "rmdir", "unlink", "stat"):
            patch.setattr(os, name, self._failing(name, getattr(os, name), paths=True))
        for module, name in ((fcntl, "flock"), (os, "posix_fallocate"), (os, "fsync")):
            if hasattr(module, name):
                patch.setattr(module, name, self._failing(name, getattr(module, name)))

    def _failing(
        self, name: str, call: Callable[..., Any], *, paths: bool = False
    ) -> Callable[..., Any]:
        def failing(*arguments: Any, **options: Any) -> Any:
            concerned = not paths or "jobs.db" in (path := str(arguments[0])) or "/.sprag-" in path
            if concerned and self.trigger.fires(f"own {name}"):
                raise OSError(getattr(errno, self.errno), "planted", *map(str, arguments[:1]))
            return call(*arguments, **options)

        return failing


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[OwnCalls]:
    with monkeypatch.context() as patch:
        yield OwnCalls(patch)


def lived(folder: Path) -> list[str]:
    """Open, run what is there, stop, and all of it again; what was raised, in words."""
    raised = []
    before = open_files()
    pause = threading.Event()
    queue = queue_class()(database=folder / "jobs.db", grace_seconds=0.0)
    for _ in range(2):
        ready = False
        while not ready:
            try:
                queue.start()
                finished(queue, *[job.id for job in queue.jobs()], queue.enqueue("new"))
                ready = True
            except QueueError as error:
                raised.append(str(error))
                # Whether a disk that was full has room again is looked up once a second.
                full = isinstance(error, DatabaseFull)
                assert len(raised) < (DEADLINE / 0.05 if full else 10), raised
                pause.wait(0.05 if full else 0.0)
        queue.stop()
    assert not open_files() - before
    return raised


def test_whatever_call_of_its_own_fails_a_queue_says_so_and_goes_on(
    tmp_path: Path, calls: OwnCalls
) -> None:
    source = openings.prepared(tmp_path, "crashed")
    (source / "jobs.db-sprag" / "reserve").unlink()  # so that it is made anew
    survey = shutil.copytree(source, tmp_path / "survey")
    calls.trigger = Trigger()
    assert lived(survey) == []
    plans = [
        Plan(at, kind, name, "once")
        for at, kind in enumerate(calls.trigger.kinds)
        for name in ERRNOS[kind.removeprefix("own ")]
    ]
    # Two of the locks' few calls are those without which nothing goes on.
    locks = [plan for plan in plans if plan.kind == "own flock"]
    plans = [*locks, *some((plan for plan in plans if plan not in locks), 3)]
    refused = Counter[str]()
    for plan in plans:
        # How often a queue looks whether its file is in place depends on the time that it takes, so
        # the last plan may not have come to its call.
        calls.trigger, calls.errno = Trigger(), plan.flavour
        copy = shutil.copytree(source, tmp_path / "copy")
        calls.trigger = Trigger()
        calls.trigger.arm(plan.at, plan.kind, plan.lasting)
        try:
            raised = lived(copy)
        except BaseException as error:
            error.add_note(str(plan))
            raise
        assert all("jobs.db" in told for told in raised), plan
        refused[plan.kind] += bool(raised)
        with closing(sqlite3.connect(copy / "jobs.db")) as connection:
            assert oracle.audit(connection) == [], plan
            assert oracle.read(connection).owners == set(), plan
        shutil.rmtree(copy)
    print(f"{len(plans)} faults, refused: {dict(refused)}")
    # The file cannot be worked on without a lock.
    assert refused["own flock"]
    assert refused["own open"]


def test_no_room_for_a_lock_file_is_a_full_disk(make_queue: MakeQueue, calls: OwnCalls) -> None:
    queue = make_queue()
    job = queue.enqueue(1)
    calls.errno = "ENOSPC"
    calls.trigger.hold({"own mkdir"})
    with pytest.raises(DatabaseFull, match="planted"):
        queue.start()
    calls.trigger.lift()
    queue.start()
    finished(queue, job)


def test_a_lock_that_cannot_be_had_leaves_no_file_behind(
    make_queue: MakeQueue, database: Path, calls: OwnCalls
) -> None:
    queue = make_queue()
    calls.errno = "ENOLCK"
    calls.trigger.hold({"own flock"})
    before = open_files()
    for _ in range(3):
        with pytest.raises(DatabaseReadOnly, match="planted"):
            queue.start()
    assert list(Path(f"{database}-sprag").glob("*.lock")) == []
    assert not [name for name in open_files() - before if name.endswith(".lock")]


def test_an_owner_whose_lock_file_cannot_be_opened_just_now_is_not_said_to_have_none(
    make_queue: MakeQueue, database: Path, calls: OwnCalls, caplog: pytest.LogCaptureFixture
) -> None:
    queue = make_queue()
    queue.counts()
    folder = Path(f"{database}-sprag")
    other = OwnerLock(folder)
    owner = Store(life_of(queue).open().database).owners.add(other.token, 1, "elsewhere")
    calls.errno = "EMFILE"
    calls.trigger.hold({"own open"})
    with pytest.raises(DatabaseError):
        queue.start()  # looks after the others first
    assert "own open" in calls.trigger.failed
    assert "missing" not in caplog.text
    calls.trigger.lift()
    queue.start()
    finished(queue, queue.enqueue(1))
    assert owner in [row[0] for row in life_of(queue).open().store.owners.all()]
    Store(life_of(queue).open().database).owners.leave(owner)
    other.release()


def test_a_file_that_cannot_be_looked_at_is_not_said_to_be_gone(
    make_queue: MakeQueue, calls: OwnCalls
) -> None:
    queue = make_queue()
    queue.enqueue(1)
    calls.errno = "EACCES"
    calls.trigger.hold({"own stat"})
    life_of(queue).open().database._presence.look_again()
    queue.enqueue(2)
    assert "own stat" in calls.trigger.failed


def test_a_folder_that_became_a_file_is_gone(tmp_path: Path, make_queue: MakeQueue) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    queue = make_queue(database=folder / "jobs.db")
    queue.counts()
    folder.rename(tmp_path / "elsewhere")
    folder.touch()
    life_of(queue).open().database._presence.look_again()
    with pytest.raises(DatabaseRefused, match="deleted or replaced"):
        queue.enqueue(1)


@pytest.mark.parametrize("name", ["EIO", "EACCES"])
def test_a_lock_file_that_cannot_be_removed_keeps_no_queue_from_closing(
    make_queue: MakeQueue, database: Path, calls: OwnCalls, name: str
) -> None:
    queue = make_queue().start()
    finished(queue, queue.enqueue(1))
    calls.errno = name
    calls.trigger.hold({"own unlink"})
    queue.stop()
    assert "own unlink" in calls.trigger.failed
    assert not [path for path in open_files() if str(database) in path]
    calls.trigger.lift()
    queue.start()
    finished(queue, queue.enqueue(2))


def test_a_backup_that_the_system_refuses_is_an_error_of_ours(
    make_queue: MakeQueue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(*_: object) -> None:
        raise PermissionError(errno.EPERM, "no hard links here")

    queue = make_queue()
    queue.enqueue(1)
    monkeypatch.setattr(os, "link", link)
    with pytest.raises(DatabaseError, match=r"cannot be copied to .*copy\.db: no hard links here"):
        queue.backup(tmp_path / "copy.db")
    assert not list(tmp_path.glob("*.partial*"))


def test_a_process_that_may_open_no_more_files_is_told_so_and_goes_on(database: Path) -> None:
    assert said(PROGRAMS / "no_more_files.py", database) == "completed"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become one who sees less")
def test_a_file_in_a_folder_that_may_not_be_entered_is_told_of(tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o700)
    assert said(PROGRAMS / "hidden.py", hidden / "jobs.db") in (
        "DatabaseReadOnly",
        "DatabaseRefused",
    )


def test_a_start_that_fails_again_and_again_leaves_no_event_loops_behind(
    make_queue: MakeQueue, calls: OwnCalls
) -> None:
    async def handler(queue: QueueService, item: Any) -> Any:
        return item

    queue = make_queue(handler)
    queue.counts()
    calls.trigger.hold({"own mkdir"})
    before = open_files()["anon_inode:[eventpoll]"]
    for _ in range(5):
        with pytest.raises(DatabaseReadOnly):
            queue.start()
    assert open_files()["anon_inode:[eventpoll]"] <= before + 1
    calls.trigger.lift()
    queue.start()
    finished(queue, queue.enqueue(1))


def test_a_file_that_could_not_be_written_is_used_as_soon_as_it_can() -> None:
    # pytest's own folders may not be entered by another user.
    with tempfile.TemporaryDirectory() as folder:
        assert (
            said(PROGRAMS / "not_writable.py", Path(folder).resolve() / "jobs.db") == "completed 2"
        )
