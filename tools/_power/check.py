"""One image, opened: first by plain SQLite, then by a queue that recovers and runs all jobs."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

import apsw

import _oracle as oracle
from _oracle import File
from sprag.queue import QueueError

from .disk import Files
from .log import Durability, Log
from .process import DATABASE, DEADLINE, Process, hurried, tell_end
from .recorder import RecordingVFS, system_recorded
from .verdict import finished


def digest(files: Files) -> bytes:
    """Equal for equal files."""
    found = hashlib.blake2b(digest_size=16)
    for name in sorted(files):
        found.update(f"{name}\0{len(files[name])}\0".encode())
        found.update(files[name])
    return found.digest()


def place(folder: Path, files: Files) -> None:
    """Make the folder hold these files and no others. Making it anew takes longer than a look."""
    folder.mkdir(exist_ok=True)
    wanted = {folder / name for name in files}
    for path in sorted(folder.rglob("*"), reverse=True):
        if path not in wanted:
            path.rmdir() if path.is_dir() else path.unlink()
    for name in sorted(files):
        if name.endswith("/"):
            (folder / name).mkdir(exist_ok=True)
        else:
            _overwrite(folder / name, files[name])


def _overwrite(path: Path, content: bytes) -> None:
    # Not open(path, "wb"): to give back the old blocks takes longer than to write them over.
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.write(fd, content)
        os.ftruncate(fd, len(content))
    finally:
        os.close(fd)


@dataclass(frozen=True)
class Content:
    """What plain SQLite finds in an image. `file` is None where there is no table, or damage."""

    file: File | None
    problems: tuple[str, ...]
    digest: bytes
    backups: dict[str, int]
    """The newest seq in each backup that is there."""


def look(folder: Path, files: Files) -> Content:
    """Open an image as any program would, and have it audited, its backups too."""
    place(folder, files)
    file, problems = _read(folder / DATABASE) if DATABASE in files else (None, [])
    backups = {}
    for name in files:
        if BACKUP.fullmatch(name):
            copy, wrong = _read(folder / name)
            problems += [f"{name}: {problem}" for problem in wrong]
            backups[name] = copy.moves[-1].seq if copy is not None and copy.moves else 0
    locks = sorted(name for name in files if name.endswith(".lock"))
    if file is None:
        return Content(None, tuple(problems), digest(files), backups)
    all_of_it = repr((file.jobs, file.owners, file.pruned, file.progress, locks, backups))
    key = hashlib.blake2b(all_of_it.encode()).digest()
    return Content(file, tuple(problems), key, backups)


def _read(path: Path) -> tuple[File | None, list[str]]:
    """What is in a database, if anything is, and what is wrong with it."""
    connection = apsw.Connection(str(path))
    try:
        connection.execute("PRAGMA synchronous = OFF").fetchall()
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        [[tables]] = connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
        if not tables:
            return None, []
        problems = oracle.audit(connection)
        return oracle.read(connection), problems
    except _UNREADABLE as error:
        return None, [f"plain SQLite cannot read it: {error}"]
    finally:
        connection.close()


BACKUP = re.compile(r"backup-\d+\.db")
# What the oracle meets in a damaged file: not only SQLite's own words.
_UNREADABLE = (apsw.Error, ValueError, TypeError, LookupError)


def run_to_end(
    folder: Path, files: Files, before: File | None, durability: Durability, log: Log | None = None
) -> list[str]:
    """Have a queue open the image in a new process, recover it and run what it holds; what is
    wrong then. All that it does and is told goes into `log`."""
    place(folder, files)
    vfs = RecordingVFS(folder, log)
    process = Process(folder, vfs, log.tell if log is not None else _nothing, durability)
    process.queue.patient = False
    jobs = before.jobs if before is not None else {}
    try:
        with hurried(), system_recorded(folder, log):
            try:
                process.start()
                stuck = _stuck(process)
                if stuck:
                    return stuck
                for id_ in jobs:
                    job = process.queue.wait(id_, DEADLINE)
                    if log is not None:
                        tell_end(log.tell, job)
                process.catch_up()
            finally:
                process.stop()
    except (QueueError, TimeoutError) as error:
        return [f"a queue cannot open or run it: {type(error).__name__}: {error}"]
    finally:
        vfs.unregister()
    connection = apsw.Connection(str(folder / DATABASE))
    try:
        problems = oracle.audit(connection)
        if before is not None:
            problems += finished(before, oracle.read(connection))
        return problems
    except _UNREADABLE as error:
        return [f"plain SQLite cannot read what a queue left: {error}"]
    finally:
        connection.close()


def _nothing(*_words: object) -> None:
    pass


def _stuck(process: Process) -> list[str]:
    """Jobs that the start left with other owners, though none of them lives."""
    with process.engine.database.reading() as reader:
        rows = reader.execute(
            "SELECT id, owner FROM job WHERE owner IS NOT NULL AND owner <> ?", (process.owner,)
        ).fetchall()
    return [f"job {id_} is left with owner {owner}, which is dead" for id_, owner in rows]
