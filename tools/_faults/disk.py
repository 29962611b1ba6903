"""A VFS of SQLite over the system's own, each of whose calls can be made to fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import apsw

from .trigger import Trigger

R = TypeVar("R")

Name = str | apsw.URIFilename | None

FLAVOURS: Final[dict[str, tuple[str, ...]]] = {
    "open": ("error", "io"),
    "delete": ("error",),
    "access": ("error",),
    "path": ("error",),
    "read": ("error",),
    "write": ("error", "full"),
    "truncate": ("error",),
    "sync": ("error",),
    "size": ("error",),
    "lock": ("error", "busy"),
    "unlock": ("error",),
    "reserved": ("error", "busy"),
    "control": ("error",),
}
"""How each call can fail. A "read" can also be "short"."""

_CODES: Final = {
    "delete": apsw.SQLITE_IOERR_DELETE,
    "access": apsw.SQLITE_IOERR_ACCESS,
    "read": apsw.SQLITE_IOERR_READ,
    "write": apsw.SQLITE_IOERR_WRITE,
    "truncate": apsw.SQLITE_IOERR_TRUNCATE,
    "sync": apsw.SQLITE_IOERR_FSYNC,
    "size": apsw.SQLITE_IOERR_FSTAT,
    "lock": apsw.SQLITE_IOERR_LOCK,
    "unlock": apsw.SQLITE_IOERR_UNLOCK,
    "reserved": apsw.SQLITE_IOERR_CHECKRESERVEDLOCK,
}


def planted(kind: str, flavour: str) -> apsw.Error:
    """The error that SQLite's own VFS would report there."""
    verb = kind.rpartition(" ")[2]
    told = f"planted at {kind}"
    if flavour == "full" and verb == "write":
        return apsw.FullError(told)
    if flavour == "busy" and verb in ("lock", "reserved"):
        return apsw.BusyError(told)
    if verb in ("open", "path") and flavour != "io":
        return apsw.CantOpenError(told)
    error = apsw.IOError(told)
    setattr(error, "extendedresult", _CODES.get(verb, apsw.SQLITE_IOERR))  # noqa: B010  # untyped
    return error


class FaultyDisk(apsw.VFS):
    """The system's VFS under the name `name`; `trigger` says which calls fail, `flavour` how.

    The shared memory of a WAL is out of its reach: see `systemcalls`.
    """

    def __init__(self, name: str) -> None:
        self.vfs: Final = name
        self.trigger = Trigger()
        self.flavour = "error"
        self.errors: dict[str, type[apsw.Error]] = {}
        """Of a verb, instead of what its flavour is."""
        self.flags: set[int] = set()
        """Those that files were opened with."""
        super().__init__(name, base="")

    @property
    def file(self) -> type[FaultyFile]:
        """What files are."""
        return FaultyFile

    def attempt(self, kind: str, call: Callable[[], R]) -> R:
        """Make the call, or let it fail."""
        if self.trigger.fires(kind):
            raise self.planted(kind)
        return call()

    def planted(self, kind: str) -> apsw.Error:
        """What such a call fails with."""
        given = self.errors.get(kind.rpartition(" ")[2])
        return planted(kind, self.flavour) if given is None else given(f"planted at {kind}")

    def excepthook(self, *_: Any) -> bool:
        """What SQLite does not want to know is no news to whoever planted it."""
        return True

    def xOpen(self, name: Name, flags: list[int]) -> FaultyFile:  # noqa: N802  # SQLite's name
        self.flags.add(flags[0])
        return self.attempt(f"{_file(flags[0])} open", lambda: self.file(self, name, flags))

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802  # SQLite's name
        self.attempt("any delete", lambda: super(FaultyDisk, self).xDelete(filename, syncdir))

    def xAccess(self, pathname: str, flags: int) -> bool:  # noqa: N802  # SQLite's name
        return self.attempt("any access", lambda: super(FaultyDisk, self).xAccess(pathname, flags))

    def xFullPathname(self, name: str) -> str:  # noqa: N802  # SQLite's name
        return self.attempt("any path", lambda: super(FaultyDisk, self).xFullPathname(name))


class FaultyFile(apsw.VFSFile):
    """A file of a FaultyDisk."""

    def __init__(self, disk: FaultyDisk, name: Name, flags: list[int]) -> None:
        self.disk = disk
        self._file = _file(flags[0])
        super().__init__("", name, flags)

    def excepthook(self, *_: Any) -> bool:
        """Like that of the disk."""
        return True

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802  # SQLite's name
        kind = f"{self._file} read"
        if self.disk.trigger.fires(kind):
            if self.disk.flavour != "short":
                raise self.disk.planted(kind)
            return super().xRead(amount, offset)[: amount // 2]
        return super().xRead(amount, offset)

    def xWrite(self, data: Any, offset: int) -> None:  # noqa: N802  # SQLite's name
        # A part of it is there all the same, as with a disk that is full in the midst of a page.
        kind = f"{self._file} write"
        if self.disk.trigger.fires(kind):
            super().xWrite(bytes(data)[: len(data) // 2], offset)
            raise self.disk.planted(kind)
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802  # SQLite's name
        self._attempt("truncate", lambda: super(FaultyFile, self).xTruncate(newsize))

    def xSync(self, flags: int) -> None:  # noqa: N802  # SQLite's name
        self._attempt("sync", lambda: super(FaultyFile, self).xSync(flags))

    def xFileSize(self) -> int:  # noqa: N802  # SQLite's name
        return self._attempt("size", lambda: super(FaultyFile, self).xFileSize())

    def xLock(self, level: int) -> None:  # noqa: N802  # SQLite's name
        self._attempt("lock", lambda: super(FaultyFile, self).xLock(level))

    def xUnlock(self, level: int) -> None:  # noqa: N802  # SQLite's name
        # It takes place all the same: a lock that stays would be a fault without an end.
        super().xUnlock(level)
        self._attempt("unlock", lambda: None)

    def xCheckReservedLock(self) -> bool:  # noqa: N802  # SQLite's name
        return self._attempt("reserved", lambda: super(FaultyFile, self).xCheckReservedLock())

    def xFileControl(self, op: int, ptr: int) -> bool:  # noqa: N802  # SQLite's name
        return self._attempt("control", lambda: super(FaultyFile, self).xFileControl(op, ptr))

    def _attempt(self, verb: str, call: Callable[[], R]) -> R:
        return self.disk.attempt(f"{self._file} {verb}", call)


def _file(flags: int) -> str:
    if flags & apsw.SQLITE_OPEN_WAL:
        return "wal"
    if flags & apsw.SQLITE_OPEN_MAIN_DB:
        return "db"
    if flags & apsw.SQLITE_OPEN_MAIN_JOURNAL:
        return "journal"
    return "temp"
