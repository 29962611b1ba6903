"""The open files that a forked child inherits, and that it must make SQLite forget.

SQLite counts its locks by process and file. Beside inherited connections, a new connection would
take the parent's locks for its own, and would damage the file.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from typing import Final

import apsw

from .. import errors

# (path, whether it was at rest, connections) of each file that the parent had open.
_inherited: Final[list[tuple[str, bool, tuple[apsw.Connection, ...]]]] = []


def inherit(path: str, connections: Iterable[apsw.Connection], *, rested: bool) -> None:
    """Keep the parent's connections as they are; `rested` says that no thread was using one at
    the moment of the fork."""
    theirs = tuple(connections)
    for connection in theirs:
        # It must live forever, because the garbage collector would close it.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))
    _inherited.append((path, rested, theirs))


def disinherit(path: str) -> None:
    """Close the parent's connections before this process opens `path`.

    That drops no lock of the parent's, and without its checkpoint it writes nothing. Raises
    DatabaseRefused if a thread may have been inside SQLite at the moment of the fork.
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
