"""The SQLite file: who may open it, with which settings, and how transactions begin and end.

Nothing here knows a table. One connection writes, some others read, one keeps
watch (checkpoints, the commits of other processes).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import apsw

from .. import errors
from .beside import adopt
from .checkpoints import Checkpoints, Durability
from .connections import Connections
from .identity import check_sqlite, prepare
from .inherited import disinherit, inherit
from .meaning import meaning
from .place import check_place, has_log
from .presence import Presence
from .usage import Usage

_BUSY_SECONDS: Final = 10.0
# How long a fork() waits for reads and writes of other threads to end.
_REST_SECONDS: Final = 10.0


class Database:
    """One file, opened for one process.

    `vfs` names the SQLite VFS to go through and `flags` adds to the open flags.
    With `create` false, a file that is missing or empty is refused, not made.
    Raises a `DatabaseError` that says what is wrong with the file.
    """

    def __init__(
        self,
        path: str,
        durability: Durability = "full",
        *,
        vfs: str | None = None,
        flags: int = 0,
        busy_seconds: float = _BUSY_SECONDS,
        create: bool = True,
    ) -> None:
        self.path = path
        self.durability: Durability = durability
        self.vfs = vfs
        self._asked_flags = flags
        self._busy_seconds = busy_seconds
        check_sqlite(path)
        check_place(path, create=create, system=vfs is None)
        disinherit(path)
        self._connections = Connections(path, durability, vfs, flags, busy_seconds)
        self._idle_readers: list[apsw.Connection] = []
        self._usage = Usage()  # of every connection but the writer
        self._rested = False
        self.turn = threading.Lock()
        """Held by the thread that uses the writer, so that nobody closes it meanwhile."""
        self.closed = False
        self.forked = False
        self._presence = Presence(path)
        self.checkpoints = Checkpoints(path, durability, busy_seconds)
        self._lasting = durability == "full"
        try:
            with self.translated():
                self.writer = self._connections.raw(create=create)
                # The file may be another application's. Then not even its log may be copied into
                # it when this connection turns out to be the only one, and closes.
                self.writer.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, int(has_log(path)))
                prepare(self.writer, path, create=create, busy_seconds=busy_seconds)
                self.writer.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)
                self._connections.settle(self.writer)
                self._connections.check_shared_memory(self.writer)
                self.writer.set_wal_hook(self.checkpoints.count)
                self.watch = self._connections.settled(reads_only=True)
            if vfs is None:
                adopt(path)
                self._presence.opened()
        except BaseException:
            self.close()
            raise

    # ------------------------------------------------------------ transactions

    def begin(self, *, lasting: bool = False) -> None:
        """Begin a write transaction. If it is `lasting`, it survives power loss once it is
        committed, with everything that was committed before it, even with "normal" durability."""
        lasting = lasting or self.durability == "full"
        if lasting != self._lasting:
            self.writer.execute(f"PRAGMA synchronous = {'FULL' if lasting else 'NORMAL'}")
            self._lasting = lasting
        # Never deferred: an upgrade from read to write fails at once with BUSY_SNAPSHOT,
        # whatever the timeout.
        self.writer.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        self.writer.execute("COMMIT")

    def rollback(self) -> None:
        """Undo an open transaction, if there is one."""
        if self.writer.in_transaction:
            with suppress(apsw.Error):
                self.writer.execute("ROLLBACK")

    def renew(self) -> None:
        """Replace a writer that has failed; the caller holds the turn.

        If a file cannot be opened for writing, even only for a moment, SQLite opens it for
        reading, and that connection never writes again.
        """
        self._presence.look_again()
        self.check_in_place()
        writer = self._connections.settled()
        writer.set_wal_hook(self.checkpoints.count)
        old, self.writer = self.writer, writer
        self._lasting = self.durability == "full"
        self._connections.end(old)

    @contextmanager
    def reading(self) -> Iterator[apsw.Connection]:
        """A connection to read with, only for this block; `close` waits for the block's end.

        The caller carries the mark of `inside`. It cannot be taken here: a generator that a Ctrl-C
        cuts off may be ended by another thread, and the mark would stay with this one.
        """
        with self._usage.one(self.check_open), self.translated():
            with self._usage.mutex:
                reader = self._idle_readers.pop() if self._idle_readers else None
            if reader is None:
                reader = self._connections.settled(reads_only=True)
            elif reader.in_transaction:
                # A Ctrl-C fell between the BEGIN and the COMMIT of a snapshot.
                reader.execute("ROLLBACK")
            try:
                yield reader
            finally:
                with self._usage.mutex:
                    self._idle_readers.append(reader)

    @contextmanager
    def snapshot(self) -> Iterator[apsw.Connection]:
        """Like `reading`, but all that is read in the block is of one instant."""
        with self.reading() as reader:
            reader.execute("BEGIN")
            try:
                yield reader
            finally:
                # SQLite ends the transaction itself if the disk fails.
                if reader.in_transaction:
                    reader.execute("COMMIT")

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn apsw's errors of reads into `DatabaseError`s."""
        try:
            yield
        except (apsw.Error, UnicodeError) as error:
            raise self._error(error, writing=False) from error

    def write_error(self, error: apsw.Error | UnicodeError) -> errors.QueueError:
        """The error to raise for an error of SQLite in a write."""
        return self._error(error, writing=True)

    def _error(self, error: apsw.Error | UnicodeError, *, writing: bool) -> errors.QueueError:
        return meaning(error, self.path, busy_seconds=self._busy_seconds, writing=writing)

    # ------------------------------------------------------------ maintenance

    def version(self) -> int:
        """A number that changes with every commit of any other connection, here or elsewhere."""
        with self._usage.one(self.check_open), self.translated():
            return int(self.watch.execute("PRAGMA data_version").get)

    def checkpoint(self) -> None:
        """Copy the log into the file once it has some length, beside the writer."""
        if self.checkpoints.due():
            with self._usage.one(self.check_open):
                self.checkpoints.beside(self.watch)

    def bound_wal(self) -> None:
        """Keep the log short. The writer calls this after a commit."""
        self.checkpoints.bound(self.writer)

    def backup(self, target: str) -> None:
        """Write a compact copy of the state of one instant to the new file `target`."""
        with self._usage.one(self.check_open), self.translated():
            # A connection of its own: "query_only" forbids this, and it takes a while.
            connection = self._connections.raw(create=False)
            try:
                connection.execute("VACUUM INTO ?", (target,))
            except apsw.Error as error:
                raise type(self._error(error, writing=False))(
                    f"{self.path} cannot be copied to {target}: {error}", target
                ) from error
            finally:
                self._connections.end(connection)

    def close(self) -> None:
        """Close every connection, after the reads and writes that use one now. The WAL is copied
        into the file as far as others allow."""
        with self._usage.mutex:
            if self.closed:
                return
            self.closed = True
            self._usage.wait_ended()
            self._idle_readers.clear()
        with self.turn:
            self._connections.end_all()

    # ------------------------------------------------------------ fork

    def rest(self, seconds: float = _REST_SECONDS) -> None:
        """Before fork(): let what is read and written end within `seconds`, and nothing new
        begin."""
        self._rested = self.turn.acquire(timeout=seconds)
        unused = self._usage.rest(seconds)
        if self._rested and not unused:
            self._rested = False
            self.turn.release()

    def go_on(self) -> None:
        """After fork(), in the parent."""
        try:
            self._usage.go_on()
        finally:
            if self._rested:
                self._rested = False
                self.turn.release()

    def abandon(self) -> None:
        """After fork(), in the child: these connections are the parent's."""
        self.forked = self.closed = True
        # Threads that the child lacks may have held it.
        self.turn = threading.Lock()
        self._usage.forked()
        inherit(self.path, self._connections.open, rested=self._rested)

    # ------------------------------------------------------------ opening

    def check_open(self) -> None:
        """Raise QueueClosed if this process has closed the file, or never had it open."""
        if self.forked:
            raise errors.QueueClosed(
                f"{self.path} was opened before fork() and belongs to the parent process: make a "
                "new queue in this one"
            )
        if self.closed:
            raise errors.QueueClosed(f"{self.path} is closed")

    def check_same(self, durability: Durability, vfs: str | None, flags: int) -> None:
        """Raise ConfigurationError if another queue of the file wants other settings for it."""
        asked = {
            "durability": (self.durability, durability),
            "vfs": (self.vfs, vfs),
            "open_flags": (self._asked_flags, flags),
        }
        for option, (there, wanted) in asked.items():
            if there != wanted:
                raise errors.ConfigurationError(
                    f"{self.path} is open in this process with {option}={there!r}; expected the "
                    f"same for every queue of the file, got {wanted!r}"
                )

    def check_in_place(self) -> None:
        """Raise DatabaseRefused if the file or its log was deleted or replaced since it was
        opened. Looks now and then."""
        self._presence.check(self.check_open)
