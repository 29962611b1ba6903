"""Which processes are reading a database just now, as far as the kernel tells."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

# SQLite marks a reader by a lock on one of these bytes of the shared memory.
_READ_MARKS: Final = range(123, 128)
_MOST: Final = 5


def readers(path: str) -> list[str]:
    """The processes that are reading at this moment, as "process 12 (python3)".

    Empty if that is unknown, as on systems other than Linux. The file itself is not opened,
    because closing it would drop SQLite's locks.
    """
    try:
        inode = str(Path(f"{path}-shm").stat().st_ino)
        lines = Path("/proc/locks").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return []
    found = {pid for line in lines if (pid := _reading(line, inode)) is not None}
    others = sorted(found - {os.getpid()})[:_MOST]
    return [_named(pid) for pid in others] or ["this process itself"] * bool(found)


def _reading(line: str, inode: str) -> int | None:
    """The process that a line of /proc/locks is about, if it has a read mark on this inode."""
    # 7: POSIX  ADVISORY  READ 4711 fd:01:131 124 124
    fields = line.split()
    if len(fields) != 8 or fields[1] != "POSIX" or fields[3] != "READ":
        return None
    if fields[5].rpartition(":")[2] != inode or not (fields[4].isdigit() and fields[6].isdigit()):
        return None
    # A process of another container has no number here.
    return int(fields[4]) or None if int(fields[6]) in _READ_MARKS else None


def _named(pid: int) -> str:
    # Not its arguments, which may contain secrets.
    try:
        name = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return f"process {pid}"
    return f"process {pid} ({''.join(char if char.isprintable() else '?' for char in name)})"
