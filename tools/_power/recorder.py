"""A SQLite VFS that logs what is done to the files, and the same for the owners' lock files."""

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
        self, folder: Path, log: Log | None = None, lies: frozenset[str] = frozenset()
    ) -> None:
        self.name = f"sprag-power-{next(_numbers)}"
        self.log = log
        self.lies = lies
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
        time.sleep(SYNC_SECONDS)
        self._vfs.check_alive()
        if self._lies:
            return
        self._log.add(Op("sync", self._file, begin))
        if self._syncs_folder:
            self._syncs_folder = False
            self._log.add(Op("sync folder", "", begin))


class _Names:
    """`os` as the owners' lock files need it, logged."""

    def __init__(self, folder: Path, log: Log | None) -> None:
        self._root = Path(os.path.realpath(folder))
        self._log = log
        self._held = log.mutex if log is not None else nullcontext()
        self._open, self._mkdir, self._unlink = os.open, os.mkdir, os.unlink

    def open(self, path: Any, flags: int, *more: Any, **options: Any) -> int:
        with self._held:
            fd = self._open(path, flags, *more, **options)
            if flags & os.O_CREAT:
                self._add("create", path)
        return fd

    def mkdir(self, path: Any, *more: Any, **options: Any) -> None:
        with self._held:
            self._mkdir(path, *more, **options)
            self._add("create", path, "/")

    def unlink(self, path: Any, **options: Any) -> None:
        with self._held:
            self._unlink(path, **options)
            self._add("delete", path)

    def fsync(self, fd: int) -> None:
        if self._log is None:
            return
        begin, synced = len(self._log.entries), os.fstat(fd)
        for folder in (self._root, *(path for path in self._root.iterdir() if path.is_dir())):
            if os.path.samestat(synced, folder.stat()):
                name = "" if folder == self._root else f"{folder.name}/"
                self._log.add(Op("sync folder", name, begin))

    def _add(self, kind: Kind, path: Any, slash: str = "") -> None:
        real = Path(os.path.realpath(path))
        below = real.is_relative_to(self._root) and (slash or real.suffix == ".lock")
        if self._log is not None and below:
            self._log.add(Op(kind, f"{real.relative_to(self._root)}{slash}"))


@contextmanager
def owners_recorded(folder: Path, log: Log | None) -> Iterator[None]:
    """While this lasts, also log what becomes of the lock files below `folder` and of their
    folder, which no VFS sees; and no fsync() of this process takes any time."""
    names = _Names(folder, log)
    calls = ("open", "mkdir", "unlink", "fsync")
    before = {call: getattr(os, call) for call in calls}
    for call in calls:
        setattr(os, call, getattr(names, call))
    try:
        yield
    finally:
        for call, original in before.items():
            setattr(os, call, original)
