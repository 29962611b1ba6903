"""Connection: what is set and read on the SQLite connections of peers."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from .subjects import SYNCHRONOUS


def set_synchronous(connection: sqlite3.Connection, sync: str) -> None:
    """Make commits of this connection as durable as the row says."""
    connection.execute(f"PRAGMA synchronous={SYNCHRONOUS[sync]}")
    # macOS: without these a sync does not reach the disk; sprag sets them too.
    connection.execute("PRAGMA fullfsync=ON")
    connection.execute("PRAGMA checkpoint_fullfsync=ON")


def settings_of(connection: sqlite3.Connection) -> tuple[str, int]:
    """``(journal_mode, synchronous)`` as the connection itself reports them."""
    (journal,) = connection.execute("PRAGMA journal_mode").fetchone()
    (synchronous,) = connection.execute("PRAGMA synchronous").fetchone()
    return str(journal), int(synchronous)


def number(path: Path, sql: str) -> int:
    """The answer of `sql` to a connection of our own."""
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute(sql).fetchone()[0])
    finally:
        connection.close()
