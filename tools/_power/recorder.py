"""A SQLite VFS that logs what is done to the files, and the same for what no VFS sees."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import apsw

from .log import Kind, Log, Op

# Others write in the midst of a real sync, so they may in the midst of this one.
SYNC_SECONDS = 0.0003
_numbers = itertools.count()


class RecordingVFS(apsw.VFS):
    """The system's VFS, which also logs every change of a file below `folder`.

    Syncs are logged, not made: the disk that loses power is a model (`disk.Disk`). With no log
    it only leaves them out. Files whose suffix is among `lies` ("", "-wal", "-journal") have
    syncs that say they were made and were not.
    """

    def __init__(
        self,
        folder: Path,
        log: Log | None = None,
        lies: frozenset[str] = frozenset(),
        sync_seconds: float = SYNC_SECONDS,
    ) -> None:
        self.name = f"sprag-power-{next(_numbers)}"
        self.log = log
        self.lies = lies
        self.sync_seconds = sync_seconds
        self.dead = False
        """True once the process that this is the VFS of was killed: it changes no file."""
        self._folder = Path(os.path.realpath(folder))
        super().__init__(self.name, base="")

    def xOpen(  # noqa: N802  # SQLite's name
        self, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> apsw.VFSFile:
        if name is None:
            return apsw.VFSFile("", name, flags)  # a temporary file
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        file = self.file_of(path)
        if self.log is None or file is None:
            return _UnsyncedFile("", name, flags)
        with self.log.mutex:
            new = not Path(path).exists()
            opened = _RecordingFile(self, self.log, file, name, flags)
            if new:
                self.log.add(Op("create", file))
        return opened

    def xDelete(self, path: str, sync_folder: bool) -> None:  # noqa: N802  # SQLite's name
        self.check_alive()
        file = self.file_of(path)
        if self.log is None or file is None:
            super().xDelete(path, False)
            return
        with self.log.mutex:
            super().xDelete(path, False)
            self.log.add(Op("delete", file))
            if sync_folder:
                self.log.add(Op("sync folder", "", len(self.log.entries)))

    def file_of(self, path: str) -> str | None:
        """The name of a file in the log; None for one that is elsewhere."""
        real = Path(os.path.realpath(path))
        return str(real.relative_to(self._folder)) if real.is_relative_to(self._folder) else None

    def check_alive(self) -> None:
        """Raise if the process is dead."""
        if self.dead:
            raise apsw.IOError("this process was killed")


class _UnsyncedFile(apsw.VFSFile):
    def xSync(self, _flags: int) -> None:  # noqa: N802  # SQLite's name
        pass


class _RecordingFile(apsw.VFSFile):
    def __init__(
        self,
        vfs: RecordingVFS,
        log: Log,
        file: str,
        name: str | apsw.URIFilename,
        flags: list[int],
    ) -> None:
        self._vfs = vfs
        self._log = log
        self._file = file
        self._lies = any(
            file.endswith(suffix) if suffix else flags[0] & apsw.SQLITE_OPEN_MAIN_DB
            for suffix in vfs.lies
        )
        # As SQLite's unix VFS: the first sync of a journal or WAL syncs its folder as well.
        kinds = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL
        self._syncs_folder = bool(flags[0] & apsw.SQLITE_OPEN_CREATE and flags[0] & kinds)
        super().__init__("", name, flags)

    def xWrite(self, data: Any, offset: int) -> None:  # noqa: N802  # SQLite's name
        self._vfs.check_alive()
        with self._log.mutex:
            super().xWrite(data, offset)
            self._log.add(Op("write", self._file, offset, bytes(data)))

    def xTruncate(self, size: int) -> None:  # noqa: N802  # SQLite's name
        self._vfs.check_alive()
        with self._log.mutex:
            super().xTruncate(size)
            self._log.add(Op("truncate", self._file, size))

    def xSync(self, _flags: int) -> None:  # noqa: N802  # SQLite's name
        self._vfs.check_alive()
        begin = len(self._log.entries)
        time.sleep(self._vfs.sync_seconds)
        self._vfs.check_alive()
        if self._lies:
            return
        self._log.add(Op("sync", self._file, begin))
        if self._syncs_folder:
            self._syncs_folder = False
            self._log.add(Op("sync folder", "", begin))


class _System:
    """`os` as owners' lock files and backups need it, logged."""

    def __init__(self, folder: Path, log: Log | None) -> None:
        self._root = Path(os.path.realpath(folder))
        self._log = log
        self._held = log.mutex if log is not None else nullcontext()
        self._open, self._link, self._unlink = os.open, os.link, os.unlink
        self._rename, self._rmdir = os.rename, os.rmdir

    def open(self, path: Any, flags: int, *more: Any, **options: Any) -> int:
        with self._held:
            fd = self._open(path, flags, *more, **options)
            # Not the room that is set aside: nothing is said of that after power loss.
            if flags & os.O_CREAT and Path(path).suffix in (".lock", ".partial"):
                self._add("create", self._name(path))
        return fd

    def rename(self, path: Any, new: Any, **options: Any) -> None:
        """How a folder appears: what becomes of its draft does not matter."""
        with self._held:
            self._rename(path, new, **options)
            self._add("create", f"{self._name(new)}/")

    def link(self, path: Any, new: Any, **options: Any) -> None:
        with self._held:
            self._link(path, new, **options)
            self._add("link", self._name(new), data=self._name(path).encode())

    def unlink(self, path: Any, **options: Any) -> None:
        with self._held:
            self._unlink(path, **options)
            self._add("delete", self._name(path))

    def rmdir(self, path: Any, **options: Any) -> None:
        with self._held:
            self._rmdir(path, **options)
            if not Path(path).name.startswith(".sprag-"):
                self._add("delete", f"{self._name(path)}/")

    def fsync(self, fd: int) -> None:
        if self._log is None:
            return
        begin, synced = len(self._log.entries), os.fstat(fd)
        for path in (self._root, *self._root.rglob("*")):
            if os.path.samestat(synced, path.stat()):
                if path.is_dir():
                    name = "" if path == self._root else f"{self._name(path)}/"
                    self._add("sync folder", name, begin)
                elif path.name != "reserve":
                    self._add("sync", self._name(path), begin)
                return

    def _name(self, path: Any) -> str:
        """As in the log; what is elsewhere has a name that begins with ".."."""
        return os.path.relpath(os.path.realpath(path), self._root)

    def _add(self, kind: Kind, name: str, place: int = 0, data: bytes = b"") -> None:
        if self._log is not None and not name.startswith(".."):
            self._log.add(Op(kind, name, place, data))


@contextmanager
def system_recorded(folder: Path, log: Log | None) -> Iterator[None]:
    """While this lasts, also log what becomes of lock files and backups below `folder`; and no
    fsync() of this process takes any time."""
    system = _System(folder, log)
    calls = ("open", "rename", "rmdir", "link", "unlink", "fsync")
    before = {call: getattr(os, call) for call in calls}
    for call in calls:
        setattr(os, call, getattr(system, call))
    try:
        yield
    finally:
        for call, original in before.items():
            setattr(os, call, original)
