"""Healthy files to be damaged: jobs in every state, with and without a write-ahead log that is
still to be copied; and what other databases leave lying about.
"""

from __future__ import annotations

import functools
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import apsw

from sprag.queue import QueueService

FOLDER: Final = None
"""In place of a file's bytes: a folder of that name."""
PIPE: Final = "pipe"
"""In place of a file's bytes: a named pipe."""

Files = dict[str, bytes | str | None]
"""What is in a folder, by relative path."""

DATABASE: Final = "jobs.db"
QUEUES: Final = ("work", "other")
_TOKEN: Final = "0123456789abcdef0123456789abcdef"


class Work(QueueService):
    """What runs the jobs of a specimen: each does what its item says."""

    name = "work"
    worker_count = 2
    busy_seconds = 1.0
    grace_seconds = 0.0
    backoff = 0.0

    def handle_item(self, item: Any) -> Any:
        if isinstance(item, dict) and item.get("fail"):
            raise ValueError(item["fail"])
        self.report_progress(1, 2, message="half of it")
        return item


class Other(Work):
    name = "other"


KINDS: Final = (Work, Other)


def lay(files: Mapping[str, bytes | str | None], folder: Path) -> Path:
    """Write the files into a new folder; the database's path."""
    folder.mkdir(parents=True)
    for name, content in sorted(files.items()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is FOLDER:
            path.mkdir(exist_ok=True)
        elif isinstance(content, bytes):
            path.write_bytes(content)
        else:
            os.mkfifo(path)
    return folder / DATABASE


def taken(folder: Path) -> Files:
    """What is in a folder, without what whoever opens the database makes anew: shared memory
    and room set aside."""
    files: Files = {}
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if path.is_dir():
            files[name] = FOLDER
        elif path.is_file() and not name.endswith(("-shm", "/reserve")):
            files[name] = path.read_bytes()
    return files


@contextmanager
def plain(path: Path) -> Iterator[apsw.Connection]:
    """A connection that knows nothing of sprag."""
    connection = apsw.Connection(str(path))
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def _room() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="sprag-fuzz-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@functools.cache
def specimens() -> Mapping[str, Files]:
    """The healthy files, by name: "open" has most in its log, "closed" none, "older" is "open"
    some moves before; "rollback" has a hot journal of its own, which brings it to "closed"."""
    with _room() as room:
        path = room / "live" / DATABASE
        path.parent.mkdir()
        found: dict[str, Files] = {}
        with queues_of(path) as (work, other):
            _fill(path, work, other)
            # A checkpoint of the half, so that the file and its log both matter.
            with plain(path) as connection:
                connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            work.enqueue_many([{"n": n, "pad": "y" * 150} for n in range(8)])
            found["older"] = taken(path.parent)
            work.enqueue_many([{"n": n, "pad": "z" * 150} for n in range(8)])
            work.cancel(work.enqueue("cancelled late").id)
            found["open"] = taken(path.parent)
        found["closed"] = taken(path.parent)
        found["closed"][DATABASE + "-wal"] = b""
        lay(found["closed"], room / "rollback")
        found["rollback"] = _rollback(room / "rollback")
        return found


@contextmanager
def queues_of(path: Path) -> Iterator[tuple[Work, Other]]:
    """The two queues of a file, not started."""
    work, other = Work(database=path), Other(database=path)
    try:
        yield work, other
    finally:
        work.stop()
        other.stop()


def _fill(path: Path, work: Work, other: Other) -> None:
    ended = [work.enqueue({"n": n, "pad": "x" * 200}, label=f"job {n}").id for n in range(12)]
    ended.append(work.enqueue({"long": "l" * 9_000}).id)
    ended += [work.enqueue({"fail": "as it should"}, max_attempts=2).id for _ in range(3)]
    ended += [other.enqueue((1, {2}), audience="ann").id for _ in range(4)]
    cancelled = [work.enqueue(f"cancelled {n}").id for n in range(3)]
    for id_ in cancelled:
        work.cancel(id_)
    for queue in (work, other):
        queue.start()
    for id_ in ended:
        (work if id_ in ended[:16] else other).wait(id_, 60)
    for queue in (work, other):
        queue.stop()
    pruned = work.enqueue_many([{"gone": "p" * 700}] * 10)
    for job in pruned:
        work.cancel(job.id)
    work.enqueue("last of all")
    work.prune(keep=19)
    work.enqueue_many([{"n": n, "pad": "w" * 120} for n in range(10)], priority=3)
    other.enqueue_many([[n] for n in range(5)])
    work.enqueue("much later", delay=10**6)
    work.enqueue("soon", delay=0.01, backoff=1.5)
    running = [work.enqueue({"ran": n}, priority=9).id for n in range(3)]
    _orphan(path, running)


def _orphan(path: Path, ids: list[str]) -> None:
    """Jobs of a process that died: its lock file is there, and free."""
    folder = Path(f"{path}-sprag")
    folder.mkdir(exist_ok=True)
    (folder / f"{_TOKEN}.lock").touch()
    with plain(path) as connection:
        connection.set_busy_timeout(5000)
        owner = connection.execute(
            "INSERT INTO owner (token, pid, host, started_at) VALUES (?, 99999999, 'gone', 1) "
            "RETURNING id",
            (_TOKEN,),
        ).get
        for place, id_ in enumerate(ids):
            connection.execute(
                "UPDATE job SET status = 'running', event = 'start', attempt = attempt + 1, "
                "starts = starts + 1, owner = ?, started_at = 2, moved_at = 2 WHERE id = ?",
                (owner, id_),
            )
            connection.execute(
                "INSERT INTO progress SELECT key, starts, 1, 2, 50.0, 'half', "
                "(SELECT max(seq) FROM transition), (SELECT tick FROM counter) FROM job "
                "WHERE id = ?",
                (id_,),
            )
            if place == 0:
                connection.execute(
                    "UPDATE job SET status = 'cancelling', event = 'cancel' WHERE id = ?", (id_,)
                )


def _rollback(folder: Path) -> Files:
    """A change by another program, in SQLite's older journal mode, that was torn by a crash."""
    path = folder / DATABASE
    with plain(path) as connection:
        connection.execute("PRAGMA journal_mode = DELETE").fetchall()
        connection.execute("PRAGMA cache_size = 5; PRAGMA cache_spill = 1").fetchall()
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(
            "INSERT INTO job (queue, item) SELECT 'work', json_quote(hex(randomblob(400))) "
            "FROM job LIMIT 30"
        )
        files = taken(folder)
        connection.execute("ROLLBACK")
    return files


@functools.cache
def strangers() -> Mapping[str, bytes]:
    """What other databases leave beside theirs: "log of sprag", "log of another", "journal of
    another"."""
    with _room() as room:
        found: dict[str, bytes] = {}
        for name, size in (("log of another", 2048), ("log of large pages", 4096)):
            path = room / f"{size}.db"
            with plain(path) as connection:
                connection.execute(f"PRAGMA page_size = {size}")
                connection.execute("PRAGMA journal_mode = WAL").fetchall()
                connection.execute("CREATE TABLE note (text); INSERT INTO note VALUES ('mine')")
                found[name] = Path(f"{path}-wal").read_bytes()
        sprag = room / "sprag" / DATABASE
        sprag.parent.mkdir()
        with queues_of(sprag) as (work, _other):
            work.enqueue_many([{"of": "another file"}] * 20)
            found["log of sprag"] = Path(f"{sprag}-wal").read_bytes()
        path = room / "rollback.db"
        with plain(path) as connection:
            connection.execute("PRAGMA page_size = 2048; CREATE TABLE note (text)")
            connection.execute("INSERT INTO note VALUES (hex(randomblob(60000)))")
            connection.execute("PRAGMA cache_size = 2; PRAGMA cache_spill = 1").fetchall()
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("UPDATE note SET text = hex(randomblob(60000))")
            journal = Path(f"{path}-journal")
            found["journal of another"] = journal.read_bytes() if journal.exists() else b""
            connection.execute("ROLLBACK")
        return found
