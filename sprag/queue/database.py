"""The SQLite file: who may open it, with which settings, and how a transaction goes.

Nothing here knows a table. One connection writes, some others read, one keeps
watch (checkpoints, the commits of other processes).
"""

from __future__ import annotations

import ctypes
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import apsw

from . import errors
from .beside import adopt
from .checkpoints import PAGE_BYTES, Checkpoints, Durability
from .logs import Log
from .meaning import meaning
from .place import check_place, has_log, may_write, which
from .statements import MIGRATIONS, SCHEMA

APPLICATION_ID: Final = 0x53505247  # "SPRG"
FORMAT: Final = 3
# Older ones can corrupt a WAL that is reset while another connection checkpoints.
SQLITE_MINIMUM: Final = (3, 51, 3)

log: Final = Log("sprag.queue")

_BUSY_SECONDS: Final = 10.0
# How long a fork() waits for reads and writes of other threads to end.
_REST_SECONDS: Final = 10.0
_LOOK_SECONDS: Final = 0.05


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
        self._flags = apsw.SQLITE_OPEN_READWRITE | flags
        if create:
            self._flags |= apsw.SQLITE_OPEN_CREATE
        self._busy_seconds = busy_seconds
        _check_sqlite(path)
        check_place(path, create=create, system=vfs is None)
        _close_inherited(path)
        self._idle_readers: list[apsw.Connection] = []
        self._all: list[apsw.Connection] = []
        # Reentrant: what a Ctrl-C left unended is ended by the garbage collector, which runs in
        # any thread at any line, also in one that holds the mutex.
        self._mutex = threading.RLock()
        # Which threads use a connection other than the writer, each with a token of that use.
        self._users: dict[int, object] = {}
        self._unused = threading.Condition(self._mutex)
        self._resting = False
        self._rested = False
        self.turn = threading.Lock()
        """Held by whoever uses the writer, so that nobody closes it under a transaction."""
        self.closed = False
        self.forked = False
        self._files: dict[str, tuple[int, int] | None] = {}
        self._looked_at = 0.0
        self.checkpoints = Checkpoints(path, durability, busy_seconds)
        self._lasting = durability == "full"
        try:
            with self.translated():
                self.writer = self._connect()
                # A file that may be another application's: not even its log may be copied into
                # it when this connection turns out to be the only one, and closes.
                self.writer.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, int(has_log(path)))
                self._prepare_file(self.writer)
                self.writer.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)
                self._pragmas(self.writer)
                self._check_shared_memory()
                self.writer.set_wal_hook(self.checkpoints.count)
                self.watch = self._reader()
            if vfs is None:
                adopt(path)
                with suppress(OSError):
                    # SQLite keeps both open, and nobody else may delete the log meanwhile.
                    self._files = {name: which(name) for name in (path, f"{path}-wal")}
        except BaseException:
            self.close()
            raise

    # ------------------------------------------------------------ transactions

    def begin(self, *, lasting: bool = False) -> None:
        """Begin to write. What is committed then survives power loss if it is to be `lasting`,
        and all that was committed before it, with "normal" durability as well."""
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
        """Another writer in place of one that has failed; with the turn held.

        Where a file cannot be opened for writing, if only for a moment, SQLite opens it for
        reading, and its connection writes no more for as long as it lives.
        """
        self._looked_at = 0.0
        self.check_in_place()
        writer = self._connect(create=False)
        with self._or_disconnected(writer):
            self._pragmas(writer)
        writer.set_wal_hook(self.checkpoints.count)
        old, self.writer = self.writer, writer
        self._disconnect(old)

    @contextmanager
    def reading(self) -> Iterator[apsw.Connection]:
        """A connection to read with, for this block alone; `close` waits for its end."""
        with self._in_use(), self.translated():
            with self._mutex:
                reader = self._idle_readers.pop() if self._idle_readers else None
            if reader is None:
                reader = self._reader()
            elif reader.in_transaction:
                # A Ctrl-C fell between the BEGIN and the COMMIT of a snapshot.
                reader.execute("ROLLBACK")
            try:
                yield reader
            finally:
                with self._mutex:
                    self._idle_readers.append(reader)

    @contextmanager
    def _in_use(self) -> Iterator[None]:
        # A Ctrl-C between any two of these lines can leave a thread among the users. Its next use
        # takes the place of that one, which must not end it when it is collected at last.
        me, use = threading.get_ident(), object()
        try:
            with self._mutex:
                while self._resting and not self.forked:
                    self._unused.wait()
                self.check_open()
                self._users[me] = use
            yield
        finally:
            if self._users.get(me) is use:
                del self._users[me]
            with self._mutex:
                self._unused.notify_all()

    def _wait_unused(self, seconds: float = math.inf) -> bool:
        """Wait for other threads, with the mutex held; whether none uses a connection now.

        This thread does not either, whatever a Ctrl-C has left behind, since it is here.
        """
        deadline = time.monotonic() + seconds
        while self._users.keys() - {threading.get_ident()}:
            if time.monotonic() > deadline:
                return False
            self._unused.wait(0.1)
        return True

    @contextmanager
    def snapshot(self) -> Iterator[apsw.Connection]:
        """Like `reading`, but all that is read in the block is of one instant."""
        with self.reading() as reader:
            reader.execute("BEGIN")
            try:
                yield reader
            finally:
                # SQLite ends the transaction itself where the disk fails.
                if reader.in_transaction:
                    reader.execute("COMMIT")

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn the apsw errors of what is read into `DatabaseError`s."""
        try:
            yield
        except (apsw.Error, UnicodeError) as error:
            raise self._error(error, writing=False) from error

    def write_error(self, error: apsw.Error | UnicodeError) -> errors.QueueError:
        """What an error of SQLite means for a user who wanted something stored."""
        return self._error(error, writing=True)

    def _error(self, error: apsw.Error | UnicodeError, *, writing: bool) -> errors.QueueError:
        return meaning(error, self.path, busy_seconds=self._busy_seconds, writing=writing)

    # ------------------------------------------------------------ maintenance

    def version(self) -> int:
        """A number that changes with every commit of any other connection, here or elsewhere."""
        with self._in_use(), self.translated():
            return int(self.watch.execute("PRAGMA data_version").get)

    def checkpoint(self) -> None:
        """Copy the log into the file once it has some length, beside the writer."""
        if self.checkpoints.due():
            with self._in_use():
                self.checkpoints.beside(self.watch)

    def bound_wal(self) -> None:
        """To be called by the writer after a commit: see to it that the log stays short."""
        self.checkpoints.bound(self.writer)

    def backup(self, target: str) -> None:
        """Write a compact copy, of one instant, to the new file `target`."""
        with self._in_use(), self.translated():
            # A connection of its own: "query_only" forbids this, and it takes a while.
            connection = self._connect()
            try:
                connection.execute("VACUUM INTO ?", (target,))
            except apsw.Error as error:
                raise type(self._error(error, writing=False))(
                    f"{self.path} cannot be copied to {target}: {error}", target
                ) from error
            finally:
                self._disconnect(connection)

    def close(self) -> None:
        """Close every connection, once what uses one just now has ended; the WAL is copied into
        the file as far as others allow."""
        with self._mutex:
            if self.closed:
                return
            self.closed = True
            self._wait_unused()
            connections, self._all = self._all, []
            self._idle_readers.clear()
        with self.turn:
            for connection in reversed(connections):
                self._end(connection)

    def _disconnect(self, connection: apsw.Connection) -> None:
        with self._mutex:
            if connection in self._all:
                self._all.remove(connection)
        self._end(connection)

    def _end(self, connection: apsw.Connection) -> None:
        try:
            connection.close()
        except apsw.Error:
            # From the last checkpoint: what it did not copy is safe in the WAL.
            log.exception("%s: a connection was closed with an error", self.path)

    # ------------------------------------------------------------ fork

    def rest(self, seconds: float = _REST_SECONDS) -> None:
        """Before fork(): let what is read and written end within `seconds`, and nothing new
        begin."""
        self._rested = self.turn.acquire(timeout=seconds)
        with self._mutex:
            self._resting = True
            unused = self._wait_unused(seconds)
        if self._rested and not unused:
            self._rested = False
            self.turn.release()

    def go_on(self) -> None:
        """After fork(), in the parent."""
        with self._mutex:
            self._resting = False
            self._unused.notify_all()
        if self._rested:
            self._rested = False
            self.turn.release()

    def abandon(self) -> None:
        """After fork(), in the child: these connections are the parent's."""
        self.forked = self.closed = True
        # Threads that are not in this process may have held them.
        self.turn = threading.Lock()
        self._mutex = threading.RLock()
        self._unused = threading.Condition(self._mutex)
        for connection in self._all:
            # Immortal, or the garbage collector would close it.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))
        _inherited.append((self.path, self._rested, tuple(self._all)))

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
        """Raise ConfigurationError where another queue of the file wants it opened otherwise."""
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
        opened: SQLite would write on, into a file that nobody can open again. Looks now and then.
        """
        now = time.monotonic()
        if now < self._looked_at + _LOOK_SECONDS:
            return
        for name, opened in self._files.items():
            try:
                there = which(name)
            except OSError:
                return  # what cannot be looked at may be in place: the disk itself will tell
            if opened is not None and there != opened:
                self.check_open()  # the log goes with a close by another thread
                raise errors.DatabaseRefused(
                    f"{name} was deleted or replaced while it was open: nothing is accepted, and "
                    "what running jobs store is lost with the old file. Stop every process that "
                    f"has {self.path} open, then put the right file in place",
                    self.path,
                )
        self._looked_at = now

    def _connect(self, *, create: bool = True) -> apsw.Connection:
        flags = self._flags if create else self._flags & ~apsw.SQLITE_OPEN_CREATE
        connection = apsw.Connection(self.path, flags=flags, vfs=self.vfs)
        with self._mutex:
            self._all.append(connection)
        # Plans must not depend on values: with a partial index in play SQLite would prepare the
        # statement anew at each execution, which takes five times as long as running it.
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
        connection.set_busy_timeout(round(self._busy_seconds * 1000))
        return connection

    @contextmanager
    def _or_disconnected(self, connection: apsw.Connection) -> Iterator[None]:
        """Or each attempt on a disk that fails would leave one more open."""
        try:
            yield
        except BaseException:
            self._disconnect(connection)
            raise

    def _reader(self) -> apsw.Connection:
        connection = self._connect()
        with self._or_disconnected(connection):
            self._pragmas(connection)
            connection.execute("PRAGMA query_only = ON")
        return connection

    def _pragmas(self, connection: apsw.Connection) -> None:
        sync = "FULL" if self.durability == "full" else "NORMAL"
        connection.execute(
            f"PRAGMA synchronous = {sync}; PRAGMA wal_autocheckpoint = 0; "
            # macOS: without these a sync does not reach the disk.
            "PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON; "
            "PRAGMA journal_size_limit = 16777216; PRAGMA trusted_schema = OFF"
        ).fetchall()  # to the end: apsw stops at each statement that returns a row

    def _prepare_file(self, connection: apsw.Connection) -> None:
        """Make a new file ours, or make sure that an old one is."""
        application, format_, tables = self._identity(connection)
        if application == 0 and tables == 0:
            if not self._flags & apsw.SQLITE_OPEN_CREATE:
                raise errors.DatabaseRefused(
                    f"{self.path} is empty, expected a database of sprag; it is left untouched",
                    self.path,
                )
            self._create(connection)
            application, format_, tables = self._identity(connection)
        if application != APPLICATION_ID:
            raise errors.DatabaseRefused(
                f"{self.path} is a database of another application (application_id "
                f"{application:#x}, expected {APPLICATION_ID:#x}); it is left untouched",
                self.path,
            )
        if format_ > FORMAT:
            raise errors.DatabaseRefused(
                f"{self.path} has format {format_}, written by a newer version of sprag; this one "
                f"knows formats up to {FORMAT}. It is left untouched",
                self.path,
            )
        if format_ < 1:
            raise errors.DatabaseRefused(
                f"{self.path} has format {format_}, which no version of sprag has written; this "
                f"one knows formats from 1 to {FORMAT}. It is left untouched",
                self.path,
            )
        self._use_wal(connection)
        if format_ < FORMAT:
            self._migrate(connection)

    def _check_shared_memory(self) -> None:
        """Raise ReadOnlyError where only its shared memory keeps a file from being written.

        If that cannot be opened for writing, if only for a moment, SQLite opens it for reading,
        and all connections of this process share it for as long as one of them is open: a new
        writer, as `renew` makes it, would write no more than this one.
        """
        self.writer.set_busy_timeout(0)
        try:
            self.writer.execute("BEGIN IMMEDIATE; ROLLBACK")
        except apsw.BusyError:
            pass  # someone else writes, and nothing was found to be in the way
        except apsw.ReadOnlyError:
            if not self.writer.readonly("main") and may_write(self.path):
                raise
        finally:
            self.writer.set_busy_timeout(round(self._busy_seconds * 1000))

    def _use_wal(self, connection: apsw.Connection) -> None:
        # The switch fails at once where another process is at it, without the busy timeout.
        deadline = time.monotonic() + self._busy_seconds
        while True:
            try:
                mode = connection.execute("PRAGMA journal_mode = WAL").get
            except apsw.BusyError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
                continue
            if mode != "wal":
                raise errors.DatabaseRefused(
                    f"{self.path} cannot have a write-ahead log (journal mode {mode!r}): its file "
                    "system or VFS offers no shared memory",
                    self.path,
                )
            return

    def _identity(self, connection: apsw.Connection) -> tuple[int, int, int]:
        """(application_id, user_version, number of tables and the like) of the file."""
        rows: list[Any] = connection.execute(
            "SELECT (SELECT application_id FROM pragma_application_id), "
            "(SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_schema)"
        ).fetchall()
        ((application, format_, tables),) = rows
        return application, format_, tables

    def _migrate(self, connection: apsw.Connection) -> None:
        """Bring an older file to our format, step by step, all of it or nothing."""
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Another process may have done it, or a part, while this one waited for the lock.
            _, format_, _ = self._identity(connection)
            for step in range(format_ + 1, FORMAT + 1):
                connection.execute(MIGRATIONS[step])
            connection.execute(f"PRAGMA user_version = {max(format_, FORMAT)}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _create(self, connection: apsw.Connection) -> None:
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        # Two processes may create the file at the same moment: take the lock, then see who won.
        connection.execute("BEGIN IMMEDIATE")
        try:
            if self._identity(connection) == (0, 0, 0):
                connection.execute(SCHEMA)
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {FORMAT}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


# In a forked child: (path, whether it was at rest, connections) of what the parent had open.
_inherited: Final[list[tuple[str, bool, tuple[apsw.Connection, ...]]]] = []


def _close_inherited(path: str) -> None:
    """Make SQLite forget the parent's connections, before a forked child opens `path`.

    SQLite counts its locks by process and file: beside inherited connections, a new one would
    believe that this process has locks which the parent alone has, and damage the file. To
    close them drops no lock of the parent's, and without its checkpoint it writes nothing;
    but no thread may have been inside SQLite at the moment of the fork.
    """
    while _inherited:
        theirs, rested, connections = _inherited[-1]
        if not rested:
            raise errors.DatabaseRefused(
                f"{path} cannot be opened in this process, because its parent was using {theirs} "
                "at the moment of fork(): fork before a queue is used, or spawn processes",
                path,
            )
        for connection in connections:
            connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            connection.close()
        _inherited.pop()


def _check_sqlite(path: str) -> None:
    version = tuple(int(part) for part in apsw.sqlite_lib_version().split("."))
    if version < SQLITE_MINIMUM:
        wanted = ".".join(map(str, SQLITE_MINIMUM))
        raise errors.DatabaseRefused(
            f"SQLite {apsw.sqlite_lib_version()} is too old: versions before {wanted} can corrupt "
            "a write-ahead log; upgrade apsw",
            path,
        )
