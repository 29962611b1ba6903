"""Versions of what is measured; run as `python -m _bench.versions`, prints one line."""

from __future__ import annotations

import sqlite3
from importlib.metadata import version

import apsw

from .postgres import missing, server_version

PEERS = ("huey", "persist-queue", "litequeue")


def versions() -> str:
    """The SQLite of each side, and the peers."""
    peers = ", ".join(f"{name} {version(name)}" for name in PEERS)
    served = "" if missing() else f"; procrastinate {version('procrastinate')}, {server_version()}"
    return (
        f"SQLite {apsw.sqlite_lib_version()} (apsw {version('apsw')}) for sprag and raw, "
        f"{sqlite3.sqlite_version} (Python's own) for {peers}{served}"
    )


if __name__ == "__main__":
    print(versions())
