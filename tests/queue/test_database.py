"""The file: which ones are opened, which ones refused untouched, and what happens when it fails."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from sprag.queue import (
    DatabaseCorrupt,
    DatabaseError,
    DatabaseFull,
    DatabaseLocked,
    DatabaseReadOnly,
    DatabaseRefused,
    QueueClosed,
    QueueService,
    WriteUnknown,
    new_job_id,
)
from sprag.queue.file import identity, place
from sprag.queue.file.database import Database
from sprag.queue.file.identity import APPLICATION_ID, FORMAT
from sprag.queue.file.mounts import Ground
from sprag.queue.store.store import Store
from sprag.queue.threads.inside import here
from tests.conftest import MakeQueue
from tests.support import (
    DEADLINE,
    Gate,
    Seen,
    finished,
    raw,
    said,
    sql,
    until_interrupted,
    wait_until,
)

PROGRAMS = Path(__file__).with_name("programs")


def digests(folder: Path) -> dict[str, str]:
    """What is in a folder, byte for byte."""
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def refuses(queue: QueueService, kind: type[DatabaseError], told: str) -> None:
    """Every way to use the queue raises `kind`, and says of which file."""
    for use in (
        queue.counts,
        lambda: queue.enqueue(1),
        queue.start,
        lambda: queue.subscribe(print),
    ):
        with pytest.raises(kind, match=told) as refusal:
            use()
        assert refusal.value.path == str(Path(queue.database).resolve())
        assert told.startswith("SQLite") or refusal.value.path in str(refusal.value)


# ---------------------------------------------------------------- which files are opened


def test_a_new_file_is_ours(make_queue: MakeQueue, database: Path) -> None:
    make_queue().enqueue(1)
    assert sql(database, "PRAGMA application_id") == [(APPLICATION_ID,)]
    assert sql(database, "PRAGMA user_version") == [(FORMAT,)]
    assert sql(database, "PRAGMA journal_mode") == [("wal",)]
    assert sql(database, "PRAGMA integrity_check") == [("ok",)]


def test_an_empty_file_becomes_ours(make_queue: MakeQueue, database: Path) -> None:
    database.touch()
    queue = make_queue()
    job = queue.enqueue(1)
    assert queue.get(job.id) == job


def test_a_file_is_opened_again_with_all_that_is_in_it(make_queue: MakeQueue) -> None:
    queue = make_queue()
    jobs = queue.enqueue_many(range(10))
    queue.stop()
    assert [queue.get(job.id) for job in jobs] == jobs


def test_a_link_to_a_file_is_that_file(make_queue: MakeQueue, database: Path) -> None:
    link = database.with_name("link.db")
    link.symlink_to(database)
    job = make_queue().enqueue(1)
    assert make_queue(database=link).get(job.id) == job
    assert not database.with_name("link.db-wal").exists()


@pytest.mark.parametrize("name", ["ümläut 日本.db", "a b'c\".db", "100%?x=y#z.db", "file:a.db"])
def test_a_file_may_have_any_name(make_queue: MakeQueue, tmp_path: Path, name: str) -> None:
    with make_queue(database=tmp_path / name) as queue:
        assert finished(queue, queue.enqueue(1))[0].result == 1
    assert (tmp_path / name).is_file()


@pytest.mark.parametrize(
    "content",
    [
        b"x",
        b"\0",
        b"hello, this is no database\n",
        b"hello, this is no database\n" * 100,
        b"\0" * 4096,
        bytes(range(256)) * 32,
        b"SQLite format 3\0",
        b"SQLite format 3\0" + b"\0" * 1008,
    ],
    ids=lambda content: repr(content[:20]) + str(len(content)),
)
def test_what_is_no_database_is_refused_and_left(
    make_queue: MakeQueue, database: Path, content: bytes
) -> None:
    database.write_bytes(content)
    refuses(make_queue(), DatabaseRefused, "not a SQLite database|of another application")
    assert database.read_bytes() == content
    assert [file.name for file in database.parent.iterdir()] == [database.name]


@pytest.mark.parametrize("mode", ["delete", "wal", "wal, closed"])
@pytest.mark.parametrize("application", [0, 0x12345678])
def test_another_application_s_database_is_left_byte_for_byte(
    make_queue: MakeQueue, database: Path, tmp_path: Path, mode: str, application: int
) -> None:
    elsewhere = tmp_path / "theirs"
    elsewhere.mkdir()
    theirs = sqlite3.connect(elsewhere / "app.db")
    theirs.execute(f"PRAGMA journal_mode = {mode.partition(',')[0]}")
    theirs.execute(f"PRAGMA application_id = {application}")
    theirs.execute("CREATE TABLE customer (name TEXT)")
    theirs.execute("INSERT INTO customer VALUES ('Ada')")
    theirs.commit()
    if mode == "wal, closed":
        theirs.close()
    # Copied while it is open, with "wal", the rows are in the log alone.
    for file in elsewhere.iterdir():
        shutil.copy(file, database.with_name(file.name.replace("app.db", database.name)))
    theirs.close()
    shutil.rmtree(elsewhere)
    before = digests(tmp_path)
    refuses(make_queue(), DatabaseRefused, "of another application")
    after = digests(tmp_path)
    # Any reader of a database in WAL mode writes the index of the log.
    before.pop("jobs.db-shm", None)
    after.pop("jobs.db-shm", None)
    assert after == before
    assert sql(database, "SELECT name FROM customer") == [("Ada",)]


def test_an_application_in_use_can_go_on(make_queue: MakeQueue, database: Path) -> None:
    theirs = sqlite3.connect(database)
    theirs.execute("CREATE TABLE customer (name TEXT)")
    theirs.commit()
    theirs.execute("BEGIN IMMEDIATE")
    theirs.execute("INSERT INTO customer VALUES ('Ada')")
    refuses(make_queue(busy_seconds=0.05), DatabaseRefused, "of another application")
    theirs.commit()
    theirs.close()


@pytest.mark.parametrize(
    ("format_", "wanted"),
    [
        (FORMAT + 1, "written by a newer version"),
        (0, "which no version of sprag has written"),
        (-1, "which no version of sprag has written"),
    ],
)
def test_a_file_of_a_format_that_is_not_known_is_refused_and_left(
    make_queue: MakeQueue, database: Path, format_: int, wanted: str
) -> None:
    queue = make_queue()
    queue.enqueue(1)
    queue.stop()
    sql(database, f"PRAGMA user_version = {format_}")
    with raw(database) as file:
        file.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    before = database.read_bytes()
    refuses(make_queue(), DatabaseRefused, f"has format {format_}, {wanted}")
    assert database.read_bytes() == before


def test_a_sqlite_that_is_too_old_is_refused(
    make_queue: MakeQueue, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identity, "SQLITE", "3.51.2")
    refuses(make_queue(), DatabaseRefused, "SQLite 3.51.2 is too old.*upgrade apsw")
    assert not database.exists()
    monkeypatch.setattr(identity, "SQLITE", "3.51.3")
    make_queue().counts()


def test_a_network_file_system_is_refused(
    make_queue: MakeQueue, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, "ground", lambda path: Ground("nfs4", "network"))
    refuses(make_queue(), DatabaseRefused, r"on a network file system \(nfs4\)")
    assert not database.exists()


def test_a_folder_is_refused(make_queue: MakeQueue, tmp_path: Path) -> None:
    refuses(make_queue(database=tmp_path), DatabaseRefused, "is a folder, expected a file")


def test_a_missing_folder_is_refused_and_not_made(make_queue: MakeQueue, tmp_path: Path) -> None:
    queue = make_queue(database=tmp_path / "no" / "such" / "jobs.db")
    refuses(queue, DatabaseRefused, "the folder .*such does not exist")
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_place_of_the_folder_is_refused(
    make_queue: MakeQueue, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    refuses(make_queue(database=tmp_path / "file" / "jobs.db"), DatabaseRefused, "is not a folder")


def test_a_link_to_a_file_that_is_not_there_yet_makes_it(
    make_queue: MakeQueue, tmp_path: Path
) -> None:
    """As the first deploy does, whose release folder has a link to the database of all releases."""
    link, shared = tmp_path / "release" / "jobs.db", tmp_path / "shared" / "jobs.db"
    for folder in (link.parent, shared.parent):
        folder.mkdir()
    link.symlink_to("../shared/jobs.db")
    with make_queue(database=link) as queue:
        finished(queue, queue.enqueue(1))
        assert sorted(path.name for path in shared.parent.iterdir()) == [
            "jobs.db", "jobs.db-shm", "jobs.db-sprag", "jobs.db-wal",
        ]  # fmt: skip
    assert list(link.parent.iterdir()) == [link]


def test_a_link_to_a_folder_that_is_not_there_is_refused_with_what_to_do(
    make_queue: MakeQueue, tmp_path: Path
) -> None:
    link, gone = tmp_path / "link.db", tmp_path / "gone" / "jobs.db"
    link.symlink_to(gone)
    with pytest.raises(DatabaseRefused) as refusal:
        make_queue(database=link).counts()
    assert str(refusal.value) == (
        f"{link} is a link to {gone}, and the folder {gone.parent} does not exist: make the "
        "folder, or let the link lead to another one"
    )
    assert not gone.parent.exists()
    loop = tmp_path / "loop.db"
    loop.symlink_to(loop)
    with pytest.raises(DatabaseRefused, match="links that lead back to themselves"):
        make_queue(database=loop).counts()


def test_a_vfs_of_no_name_is_refused(make_queue: MakeQueue, database: Path) -> None:
    with pytest.raises(DatabaseError, match="no such vfs"):
        make_queue(vfs="imaginary").counts()
    assert not database.exists()


def test_a_vfs_is_gone_through(make_queue: MakeQueue, database: Path) -> None:
    opened = Seen()

    class Recording(apsw.VFS):
        def __init__(self) -> None:
            super().__init__("recording", base="")

        def xOpen(self, name: Any, flags: list[int]) -> Any:  # noqa: N802 - apsw's name
            opened(name.filename() if isinstance(name, apsw.URIFilename) else name)
            return super().xOpen(name, flags)

    vfs = Recording()
    with make_queue(vfs="recording") as queue:
        finished(queue, queue.enqueue(1))
    queue.backup(database.with_name("copy.db"))
    queue.stop()
    vfs.unregister()
    assert {str(database), f"{database}-wal"} <= set(opened.all)
    assert any(name and "copy.db" in name for name in opened.all)


class FailingFile(apsw.VFSFile):
    """A file whose writes to the disk fail while `failing` is set."""

    def __init__(self, name: Any, flags: list[int], failing: threading.Event) -> None:
        super().__init__("", name, flags)
        self._failing = failing

    def xSync(self, flags: int) -> None:  # noqa: N802 - apsw's name
        if self._failing.is_set():
            raise apsw.IOError("the disk is gone")
        super().xSync(flags)


@pytest.fixture
def failing_disk() -> Iterator[threading.Event]:
    """While it is set, no sync succeeds in files opened through the VFS "failing"."""
    failing = threading.Event()

    class Failing(apsw.VFS):
        def __init__(self) -> None:
            super().__init__("failing", base="")

        def xOpen(self, name: Any, flags: list[int]) -> Any:  # noqa: N802 - apsw's name
            return FailingFile(name, flags, failing)

    vfs = Failing()
    yield failing
    vfs.unregister()


def test_a_commit_that_fails_on_the_disk_is_unknown_and_safe_to_repeat(
    make_queue: MakeQueue, failing_disk: threading.Event
) -> None:
    queue = make_queue(vfs="failing")
    queue.enqueue("before")
    failing_disk.set()
    id_ = new_job_id()
    with pytest.raises(WriteUnknown, match="repeating it with the same job id is safe") as unknown:
        queue.enqueue("item", job_id=id_)
    assert unknown.value.job_ids == (id_,)
    with pytest.raises(WriteUnknown) as unknown:
        queue.enqueue_many([1, 2, 3])
    assert len(unknown.value.job_ids) == 3
    failing_disk.clear()
    job = queue.enqueue("item", job_id=id_)
    assert queue.enqueue("item", job_id=id_) == job._replace(existing=True)
    assert queue.history(id_)[-1].event == "enqueue"
    queue.start()
    assert finished(queue, job)[0].result == "item"
    queue.stop()


def test_an_outcome_outlives_a_disk_that_fails_for_a_while(
    make_queue: MakeQueue, failing_disk: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate()

    def handler(self: QueueService, item: Any) -> str:
        gate.hold()
        return "done"

    with make_queue(handler, vfs="failing", worker_count=1) as queue:
        job = queue.enqueue(1)
        gate.wait_held()
        failing_disk.set()
        gate.open()
        wait_until(lambda: "goes on trying" in caplog.text)
        failing_disk.clear()
        done = finished(queue, job, queue.enqueue(2))
        assert [end.result for end in done] == ["done", "done"]
        assert [m.event for m in queue.history(job.id)].count("complete") == 1


# ---------------------------------------------------------------- two processes, one moment


def test_processes_that_create_one_file_at_once_all_get_it(
    make_queue: MakeQueue, tmp_path: Path
) -> None:
    program = PROGRAMS / "creating.py"
    for round_ in range(3):
        file = tmp_path / f"{round_}.db"
        processes = [
            subprocess.Popen(
                [sys.executable, str(program), str(file)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(4)
        ]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        ids = []
        for process in processes:
            out, err = process.communicate(timeout=DEADLINE)
            assert process.returncode == 0, err
            ids += out.split()[1:]
        queue = make_queue(database=file)
        assert len(set(ids)) == 20
        assert {queue.get(id_).status for id_ in ids} == {"queued"}
        assert sql(file, "PRAGMA integrity_check") == [("ok",)]


def test_threads_that_create_one_file_at_once_all_get_it(make_queue: MakeQueue) -> None:
    start = threading.Barrier(6)
    seen = Seen()

    def use() -> None:
        queue = make_queue()
        start.wait(DEADLINE)
        try:
            seen(queue.enqueue(1).id)
        except DatabaseError as error:
            seen(error)

    threads = [threading.Thread(target=use) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert len({id_ for id_ in seen.all if isinstance(id_, str)}) == 6


# ---------------------------------------------------------------- opened and closed


def test_a_close_waits_for_a_read_that_is_under_way(database: Path) -> None:
    opened = Database(str(database))
    gate = Gate()
    read: list[Any] = []

    def held(*_: Any) -> int:
        gate.hold()
        return 1

    def look() -> None:
        with here.inside, opened.reading() as reader:
            reader.create_scalar_function("hold", held, 0)
            read.extend(reader.execute("SELECT hold()"))

    reading = threading.Thread(target=look)
    reading.start()
    gate.wait_held()
    closing = threading.Thread(target=opened.close)
    closing.start()
    wait_until(lambda: opened.closed)
    with pytest.raises(QueueClosed), opened.reading():
        pass
    gate.open()
    for thread in (reading, closing):
        thread.join(DEADLINE)
    assert read == [(1,)]
    # Really closed: nobody holds the file any more.
    with raw(database) as file:
        assert file.execute("PRAGMA locking_mode = EXCLUSIVE").get == "exclusive"
        file.execute("BEGIN EXCLUSIVE; COMMIT")


def test_a_close_waits_for_a_write_that_is_under_way(database: Path) -> None:
    opened = Database(str(database))
    store = Store(opened)
    gate, written = Gate(), Seen()

    def held(connection: apsw.Connection, now: float) -> None:
        connection.execute("INSERT INTO job (queue, item) VALUES ('work', '1')")
        gate.hold()

    def write() -> None:
        store._write(held)
        written(True)

    writing = threading.Thread(target=write)
    writing.start()
    gate.wait_held()
    closing = threading.Thread(target=opened.close)
    closing.start()
    wait_until(lambda: opened.closed)
    gate.open()
    for thread in (writing, closing):
        thread.join(DEADLINE)
    assert written.all == [True]
    assert sql(database, "SELECT count(*) FROM job") == [(1,)]
    with pytest.raises(QueueClosed):
        store.promote("work")


def test_a_closed_queue_holds_no_descriptor(make_queue: MakeQueue, database: Path) -> None:
    def held() -> int:
        folder = Path("/dev/fd")
        targets = []
        for fd in folder.iterdir():
            try:
                targets.append(str(fd.readlink()))
            except OSError:
                continue
        return sum(str(database.parent) in target for target in targets)

    if not Path("/proc/self/fd").exists():
        pytest.skip("only Linux tells which files are open")
    for _ in range(3):
        with make_queue() as queue:
            finished(queue, queue.enqueue(1))
            queue.jobs()
            assert held() > 2
        assert held() == 0


# ---------------------------------------------------------------- locked


@pytest.fixture
def locked(make_queue: MakeQueue, database: Path) -> Iterator[apsw.Connection]:
    """A connection of another program that holds the write lock of a queue's file."""
    queue = make_queue()
    queue.enqueue("first")
    queue.stop()
    with raw(database) as file:
        file.execute("BEGIN IMMEDIATE")
        yield file
        if file.in_transaction:
            file.execute("ROLLBACK")


def test_a_writer_that_does_not_let_go_is_told_of(
    make_queue: MakeQueue, locked: apsw.Connection
) -> None:
    queue = make_queue(busy_seconds=0.1)
    for use in (lambda: queue.enqueue(1), lambda: queue.enqueue_many([1]), queue.start):
        with pytest.raises(DatabaseLocked, match=r"did not let go within 0\.1 s"):
            use()
    [job] = queue.jobs()
    for act in (queue.cancel, queue.requeue):
        with pytest.raises(DatabaseLocked):
            act(job.id)
    # Reads go on, and afterwards all goes on.
    assert queue.counts()["queued"] == 1
    locked.execute("ROLLBACK")
    queue.start()
    assert finished(queue, job, queue.enqueue(2))[1].result == 2


def test_a_bounded_queue_is_locked_as_any_other(
    make_queue: MakeQueue, locked: apsw.Connection
) -> None:
    with pytest.raises(DatabaseLocked):
        make_queue(busy_seconds=0.05, max_queued=5).enqueue(1)


def test_an_outcome_waits_for_the_lock_and_is_not_lost(
    make_queue: MakeQueue, database: Path
) -> None:
    gate = Gate()

    def handler(self: QueueService, item: Any) -> str:
        gate.hold()
        return "done"

    with make_queue(handler, busy_seconds=0.05) as queue:
        job = queue.enqueue(1)
        gate.wait_held()
        with raw(database) as other:
            other.execute("BEGIN IMMEDIATE")
            gate.open()
            with pytest.raises(DatabaseLocked):
                queue.enqueue(2)
            assert queue.get(job.id).status == "running"
            other.execute("ROLLBACK")
        assert finished(queue, job)[0].result == "done"


def test_a_new_file_that_is_locked_is_told_of(make_queue: MakeQueue, database: Path) -> None:
    with raw(database) as other:
        other.execute("BEGIN EXCLUSIVE")
        refuses(make_queue(busy_seconds=0.05), DatabaseLocked, "did not let go")
    make_queue().enqueue(1)


# ---------------------------------------------------------------- read-only


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """A folder that every user may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder).resolve()
        Path(folder).chmod(0o755)


def as_another_user(file: Path) -> list[str]:
    return said(PROGRAMS / "as_nobody.py", file).splitlines()


@pytest.mark.parametrize("case", ["file", "folder", "both", "unreadable", "new"])
def test_what_cannot_be_written_is_told_of(
    make_queue: MakeQueue, shared_folder: Path, case: str
) -> None:
    file = shared_folder / "jobs.db"
    if case != "new":
        queue = make_queue(database=file)
        queue.enqueue(1)
        queue.stop()
        # As it is left by a program that was the last one and closed well.
        for suffix in ("-wal", "-shm"):
            file.with_name(file.name + suffix).unlink(missing_ok=True)
    if case in ("file", "both"):
        file.chmod(0o444)
    if case == "folder":
        file.chmod(0o666)
    if case == "unreadable":
        file.chmod(0o000)
    shared_folder.chmod(0o777 if case in ("file", "unreadable") else 0o555)
    before = digests(shared_folder)
    # In a folder that can be written, a file that cannot be is good for reading.
    reading = "accepted" if case == "file" else "refused DatabaseReadOnly"
    assert as_another_user(file) == [reading, "refused DatabaseReadOnly"]
    after = digests(shared_folder)
    assert after.get("jobs.db") == before.get("jobs.db")
    assert case == "file" or after == before


# ---------------------------------------------------------------- damaged


@pytest.fixture
def filled(make_queue: MakeQueue, database: Path) -> Path:
    """A closed file with a few hundred jobs, all of it in the file itself."""
    with make_queue() as queue:
        finished(queue, *queue.enqueue_many({"n": n, "text": "x" * 50} for n in range(200)))
        queue.enqueue_many(({"n": n} for n in range(200)), delay=1000)
    with raw(database) as file:
        file.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    for suffix in ("-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
    assert database.stat().st_size > 100_000
    return database


def use_of(queue: QueueService) -> list[DatabaseError]:
    """The errors of using a damaged queue in every way: all typed, and none of them a hang."""
    raised: list[DatabaseError] = []
    uses = (
        queue.counts,
        lambda: queue.jobs(limit=1000),
        lambda: queue.enqueue_many(range(50)),
        lambda: [queue.history(job.id) for job in queue.jobs(limit=1000)],
        lambda: queue.prune(keep=0),
        queue.start,
        lambda: queue.enqueue(1),
        queue.stop,
    )
    for use in uses:
        try:
            use()
        except DatabaseError as error:
            raised.append(error)
    return raised


@pytest.mark.parametrize("share", [0.9, 0.5, 0.1])
def test_a_truncated_file_is_told_of(make_queue: MakeQueue, filled: Path, share: float) -> None:
    os.truncate(filled, int(filled.stat().st_size * share) // 512 * 512)
    raised = use_of(make_queue())
    assert any(isinstance(error, DatabaseCorrupt) for error in raised)
    for error in raised:
        assert isinstance(error, DatabaseCorrupt | DatabaseRefused), error
        assert str(filled) in str(error)


def test_a_file_cut_below_its_header_is_refused(make_queue: MakeQueue, filled: Path) -> None:
    os.truncate(filled, 50)
    refuses(make_queue(), DatabaseRefused, "not a SQLite database")
    assert filled.stat().st_size == 50


@pytest.mark.parametrize("seed", range(6))
def test_overwritten_pages_are_told_of_and_nothing_hangs(
    make_queue: MakeQueue, filled: Path, seed: int
) -> None:
    noise = random.Random(seed)
    content = bytearray(filled.read_bytes())
    page = int.from_bytes(content[16:18], "big")
    for _ in range(10):
        # The first page has the schema: with it gone, the file is no database of ours.
        at = noise.randrange(1, len(content) // page) * page
        content[at : at + page] = noise.randbytes(page)
    filled.write_bytes(content)
    raised = use_of(make_queue())
    assert raised
    for error in raised:
        assert isinstance(error, DatabaseError)
        assert str(filled) in str(error)


def test_a_job_of_a_damaged_file_does_not_keep_a_queue_from_stopping(
    make_queue: MakeQueue, filled: Path
) -> None:
    gate = Gate()
    queue = make_queue(lambda self, item: gate.hold(), worker_count=1)
    queue.start()
    queue.enqueue(1)
    gate.wait_held()
    with filled.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(filled.stat().st_size - 4096))
    gate.open()
    stopping = threading.Thread(target=queue.stop, args=(0.1,))
    stopping.start()
    stopping.join(DEADLINE)
    assert not stopping.is_alive()


# ---------------------------------------------------------------- a full disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of some megabytes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)]
    if sys.platform != "linux" or os.getuid() != 0 or subprocess.run(mount, check=False).returncode:
        pytest.skip("only root of a Linux that lets it mount has a small disk")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(disk: Path) -> Path:
    """Another program's file that takes all the room there is."""
    file = disk / "filler"
    with file.open("wb", buffering=0) as filler:
        size = 65536
        while size:
            try:
                filler.write(bytes(size))
            except OSError:
                size //= 2
    return file


def enqueue_until_refused(queue: QueueService) -> None:
    """The pages that SQLite has already may take some more."""
    for _ in range(10_000):
        queue.enqueue("x" * 100)


@pytest.mark.parametrize("first", ["outcome", "cancel of a queued job", "cancel of a running job"])
def test_a_full_disk_refuses_new_jobs_and_loses_no_outcome(
    make_queue: MakeQueue, small_disk: Path, first: str
) -> None:
    gate = Gate()

    def handler(self: QueueService, item: str) -> Any:
        if item == "fail":
            gate.hold()
            raise ValueError("told")
        if item == "look":
            until_interrupted(self)
        gate.hold()
        return "x" * 1000

    queue = make_queue(handler, database=small_disk / "jobs.db", worker_count=4)
    queued = queue.enqueue_many(["later"] * 3, delay=1000)
    queue.start()
    running = [queue.enqueue(item) for item in ("ok", "ok", "fail", "look")]
    seen = Seen()
    queue.subscribe(seen, after=0)
    for job in running:
        seen.wait_status(job.id, "running")
    gate.wait_held(3)
    waiting = queue.enqueue("later")
    filler = fill(small_disk)

    # Nothing is accepted, and that is said clearly.
    with pytest.raises(DatabaseFull, match="nothing was stored"):
        enqueue_until_refused(queue)
    before = sum(queue.counts().values())
    with pytest.raises(DatabaseFull):
        queue.enqueue_many(["many"] * 100)
    assert sum(queue.counts().values()) == before

    # Reading, cancelling and the outcomes of what runs go on.
    assert queue.get(waiting.id).status == "queued"
    if first == "outcome":
        gate.open()
        finished(queue, *running[:3])
    if first == "cancel of a running job":
        assert queue.cancel(running[3].id).cancel_requested
    assert queue.cancel(queued[0].id).status == "cancelled"
    assert queue.cancel(running[3].id).cancel_requested
    gate.open()
    done = finished(queue, *running)
    assert [job.status for job in done] == ["completed", "completed", "failed", "cancelled"]
    assert done[0].result == "x" * 1000
    assert queue.jobs("completed")
    # Nothing new is started meanwhile, as its outcome may find no room.
    assert queue.get(waiting.id).status == "queued"
    with pytest.raises(DatabaseFull):
        queue.enqueue("still full")

    # With room again, the queue goes on by itself.
    filler.unlink()
    assert finished(queue, waiting)[0].status == "completed"
    assert finished(queue, queue.enqueue("ok"))[0].status == "completed"
    queue.stop()
    assert sql(small_disk / "jobs.db", "PRAGMA integrity_check") == [("ok",)]


def test_a_disk_that_is_full_from_the_start_is_told_of(
    make_queue: MakeQueue, small_disk: Path
) -> None:
    filler = fill(small_disk)
    queue = make_queue(database=small_disk / "jobs.db")
    for use in (queue.counts, lambda: queue.enqueue(1), queue.start):
        with pytest.raises(DatabaseFull):
            use()
    filler.unlink()
    queue.start()
    assert finished(queue, queue.enqueue(1))[0].status == "completed"


def test_a_queue_that_runs_nothing_says_that_the_disk_is_full(
    make_queue: MakeQueue, small_disk: Path
) -> None:
    queue = make_queue(database=small_disk / "jobs.db")
    job = queue.enqueue(1)
    filler = fill(small_disk)
    with pytest.raises(DatabaseFull, match=r"the disk of .* is full"):
        enqueue_until_refused(queue)
    stored = queue.counts()["queued"]
    with pytest.raises(DatabaseFull):
        queue.enqueue_many(["x" * 1000] * 100)
    assert queue.counts()["queued"] == stored
    assert queue.get(job.id) == job
    filler.unlink()
    queue.enqueue(2)
    assert queue.counts()["queued"] == stored + 1


def abandoned(file: Database) -> Any:
    """A read that a Ctrl-C cut off between its beginning and its block."""
    read = file.reading()
    read.__enter__()
    return read


def test_what_a_ctrl_c_cut_off_may_be_collected_at_any_line(database: Path) -> None:
    file = Database(str(database))

    def collect() -> None:
        read = [abandoned(file)]
        with file._usage.mutex:  # the collector runs in any thread, also in one that has this
            read.clear()

    thread = threading.Thread(target=collect, daemon=True)
    thread.start()
    thread.join(DEADLINE)
    assert not thread.is_alive()
    with file.reading() as reader:
        assert reader.execute("SELECT count(*) FROM job").get == 0
    file.close()


def test_a_read_that_was_cut_off_neither_keeps_the_file_open_nor_ends_a_later_one(
    database: Path,
) -> None:
    file = Database(str(database))
    cut_off = [abandoned(file)]
    closing = threading.Thread(target=file.close, daemon=True)
    with here.inside, file.reading():  # by the same thread, which cannot be reading there any more
        cut_off.clear()  # collected
        closing.start()
        wait_until(lambda: file.closed)
        assert closing.is_alive()
    closing.join(DEADLINE)
    assert not closing.is_alive()

    file = Database(str(database))
    kept = abandoned(file)
    closing = threading.Thread(target=file.close, daemon=True)
    closing.start()
    closing.join(DEADLINE)
    assert not closing.is_alive()
    del kept


@pytest.mark.parametrize("what", ["file deleted", "file replaced", "log deleted", "log replaced"])
def test_a_file_or_log_that_is_deleted_or_replaced_while_open_accepts_nothing_more(
    make_queue: MakeQueue, database: Path, what: str
) -> None:
    queue = make_queue()
    queue.enqueue(1)
    file = database if "file" in what else Path(f"{database}-wal")
    if "replaced" in what:
        queue.backup(database.with_name("copy.db"))
        database.with_name("copy.db").replace(file)
    else:
        file.unlink()

    def refused() -> bool:
        try:
            queue.enqueue(2)
        except DatabaseRefused as error:
            return "was deleted or replaced" in str(error)
        return False  # it looks now and then, not each time

    wait_until(refused)


def test_a_file_with_two_names_is_refused(make_queue: MakeQueue, database: Path) -> None:
    make_queue().enqueue(1)
    other = database.with_name("other.db")
    os.link(database, other)
    refuses(make_queue(database=other), DatabaseRefused, "hard links")
    other.unlink()


def test_a_device_is_refused(make_queue: MakeQueue) -> None:
    refuses(make_queue(database="/dev/null"), DatabaseRefused, "expected a file")


def test_a_folder_where_no_owner_can_show_itself_is_told(
    make_queue: MakeQueue, database: Path
) -> None:
    queue = make_queue()
    queue.enqueue(1)
    database.with_name(database.name + "-sprag").touch()
    with pytest.raises(DatabaseReadOnly, match="cannot be written"):
        queue.start()
