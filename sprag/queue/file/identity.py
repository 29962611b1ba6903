"""Whether a file is ours, and of which format. A new file is made ours, an older one migrated."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import apsw

from .. import errors
from ..sql.statements import MIGRATIONS, SCHEMA
from .checkpoints import PAGE_BYTES

APPLICATION_ID: Final = 0x53505247  # "SPRG"
FORMAT: Final = 4
# Older versions can corrupt a WAL that is reset while another connection checkpoints.
SQLITE_MINIMUM: Final = (3, 51, 3)
SQLITE: Final = apsw.sqlite_lib_version()
"""The version of the SQLite that reads and writes the files."""


def check_sqlite(path: str) -> None:
    """Raise DatabaseRefused if this SQLite is too old to be trusted with the file."""
    version = tuple(int(part) for part in SQLITE.split("."))
    if version < SQLITE_MINIMUM:
        wanted = ".".join(map(str, SQLITE_MINIMUM))
        raise errors.DatabaseRefused(
            f"SQLite {SQLITE} is too old: versions before {wanted} can corrupt "
            "a write-ahead log; upgrade apsw",
            path,
        )


def prepare(connection: apsw.Connection, path: str, *, create: bool, busy_seconds: float) -> None:
    """Make a new file ours if `create`, or make sure that an old one is; in either case it has a
    write-ahead log and our format afterwards. Raises DatabaseRefused, and leaves the file
    untouched then."""
    application, format_, tables = _read(connection)
    if application == 0 and tables == 0:
        if not create:
            raise errors.DatabaseRefused(
                f"{path} is empty, expected a database of sprag; it is left untouched", path
            )
        _create(connection)
        application, format_, tables = _read(connection)
    if application != APPLICATION_ID:
        raise errors.DatabaseRefused(
            f"{path} is a database of another application (application_id {application:#x}, "
            f"expected {APPLICATION_ID:#x}); it is left untouched",
            path,
        )
    if format_ > FORMAT:
        raise errors.DatabaseRefused(
            f"{path} has format {format_}, written by a newer version of sprag; this one knows "
            f"formats up to {FORMAT}. It is left untouched",
            path,
        )
    if format_ < 1:
        raise errors.DatabaseRefused(
            f"{path} has format {format_}, which no version of sprag has written; this one knows "
            f"format {FORMAT}. It is left untouched",
            path,
        )
    if format_ < FORMAT - len(MIGRATIONS):
        raise errors.DatabaseRefused(
            f"{path} has format {format_}, written before the first release of sprag; this one "
            f"knows format {FORMAT}. It is left untouched: let the version that wrote it finish "
            "its jobs, then move it away with its -wal and -shm, and a new file is made",
            path,
        )
    _use_wal(connection, path, busy_seconds)
    if format_ < FORMAT:
        _migrate(connection)


def _read(connection: apsw.Connection) -> tuple[int, int, int]:
    """(application_id, user_version, number of tables and other objects) of the file."""
    rows: list[Any] = connection.execute(
        "SELECT (SELECT application_id FROM pragma_application_id), "
        "(SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_schema)"
    ).fetchall()
    ((application, format_, tables),) = rows
    return application, format_, tables


def _create(connection: apsw.Connection) -> None:
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    # Two processes may create the file at the same moment: take the lock, then look who was first.
    with _transaction(connection):
        if _read(connection) == (0, 0, 0):
            connection.execute(SCHEMA)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {FORMAT}")


def _migrate(connection: apsw.Connection) -> None:
    """Migrate an older file to our format, step by step, in one transaction."""
    with _transaction(connection):
        # Another process may have migrated the file while this one waited for the lock.
        _, format_, _ = _read(connection)
        for step in range(format_ + 1, FORMAT + 1):
            connection.execute(MIGRATIONS[step])
        connection.execute(f"PRAGMA user_version = {max(format_, FORMAT)}")


def blank() -> apsw.Connection:
    """A new, empty database of our format, in memory."""
    connection = apsw.Connection(":memory:")
    connection.execute(SCHEMA)
    return connection


@contextmanager
def _transaction(connection: apsw.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _use_wal(connection: apsw.Connection, path: str, busy_seconds: float) -> None:
    # If another process is switching, this fails at once, without the busy timeout.
    deadline = time.monotonic() + busy_seconds
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
                f"{path} cannot have a write-ahead log (journal mode {mode!r}): its file system "
                "or VFS offers no shared memory",
                path,
            )
        return
