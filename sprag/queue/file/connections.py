"""How this process connects to one file, and which of its connections are open."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import apsw

from ..threads.logs import Log
from .checkpoints import Durability
from .place import may_write

log: Final = Log("sprag.queue")


class Connections:
    """Makes connections to the file at `path`, all with the same settings, and ends them."""

    def __init__(
        self, path: str, durability: Durability, vfs: str | None, flags: int, busy_seconds: float
    ) -> None:
        self._path = path
        self._sync = "FULL" if durability == "full" else "NORMAL"
        self._vfs = vfs
        self._flags = apsw.SQLITE_OPEN_READWRITE | flags
        self._busy_milliseconds = round(busy_seconds * 1000)
        self.open: list[apsw.Connection] = []

    def raw(self, *, create: bool) -> apsw.Connection:
        """A connection that has not read or written anything yet: the file may belong to another
        application."""
        flags = self._flags | (apsw.SQLITE_OPEN_CREATE if create else 0)
        connection = apsw.Connection(self._path, flags=flags, vfs=self._vfs)
        self.open.append(connection)
        # Plans must not depend on values: with a partial index, SQLite would prepare the statement
        # anew at each execution, which takes five times as long as running it.
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
        connection.set_busy_timeout(self._busy_milliseconds)
        return connection

    def settle(self, connection: apsw.Connection) -> None:
        """Give it our settings."""
        connection.execute(
            f"PRAGMA synchronous = {self._sync}; PRAGMA wal_autocheckpoint = 0; "
            # On macOS, a sync does not reach the disk without these.
            "PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON; "
            "PRAGMA journal_size_limit = 16777216; PRAGMA trusted_schema = OFF"
        ).fetchall()  # to the end: apsw stops at each statement that returns a row

    def settled(self, *, reads_only: bool = False) -> apsw.Connection:
        """Another connection to a file that is known to be ours."""
        connection = self.raw(create=False)
        try:
            self.settle(connection)
            if reads_only:
                connection.execute("PRAGMA query_only = ON")
        except BaseException:
            # Otherwise each attempt on a failing disk would leave one more open.
            self.end(connection)
            raise
        return connection

    def check_shared_memory(self, connection: apsw.Connection) -> None:
        """Raise ReadOnlyError if only the file's shared memory keeps it from being written.

        If that cannot be opened for writing, even only for a moment, SQLite opens it for reading,
        and all connections of this process share it as long as one of them is open. So another
        connection could not write either.
        """
        connection.set_busy_timeout(0)
        try:
            connection.execute("BEGIN IMMEDIATE; ROLLBACK")
        except apsw.BusyError:
            pass  # someone else writes, and nothing was found to be in the way
        except apsw.ReadOnlyError:
            if not connection.readonly("main") and may_write(self._path):
                raise
        finally:
            connection.set_busy_timeout(self._busy_milliseconds)

    def end(self, connection: apsw.Connection) -> None:
        """Close it; an error is logged."""
        with suppress(ValueError):
            self.open.remove(connection)
        try:
            connection.close()
        except apsw.Error:
            # The last checkpoint failed: what it did not copy is safe in the WAL.
            log.exception("%s: a connection was closed with an error", self._path)

    def end_all(self) -> None:
        """Close every connection, the newest first."""
        while self.open:
            self.end(self.open[-1])
