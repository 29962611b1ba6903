"""Which kind of file system a path is on: SQLite's locks and WAL need a local one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

# As the kernel names them. FUSE is listed by its network members: many local ones use it too.
_NETWORK: Final = frozenset(
    [
        "9p",
        "afpfs",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "coda",
        "fuse.ceph",
        "fuse.glusterfs",
        "fuse.gcsfuse",
        "fuse.rclone",
        "fuse.s3fs",
        "fuse.sshfs",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "ocfs2",
        "orangefs",
        "smb3",
        "smbfs",
        "webdav",
    ]
)


def network_filesystem(path: str) -> str | None:
    """The name of the network file system that `path` (absolute) is on; None if it is local.

    Where the system does not tell, the answer is None.
    """
    kind = _kind(os.path.realpath(path), _mounts())
    return kind if kind in _NETWORK else None


def _kind(path: str, mounts: list[tuple[str, str]]) -> str | None:
    """The type of the innermost mount that holds `path`; the latest of several on one point."""
    best, found = -1, None
    for point, kind in mounts:
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= best:
            best, found = len(point), kind
    return found


def _mounts() -> list[tuple[str, str]]:
    """(mount point, type) of every mount, in the order they were made."""
    if sys.platform == "darwin":
        try:
            text = subprocess.run(
                ["/sbin/mount"], capture_output=True, text=True, timeout=5, check=False
            ).stdout
        except (OSError, subprocess.TimeoutExpired):
            return []
        return re.findall(r"^.* on (.*) \((\w+)[,)]", text, flags=re.MULTILINE)
    try:
        text = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return []
    mounts = []
    for line in text.splitlines():
        left, separator, right = line.partition(" - ")
        fields = left.split()
        if separator and len(fields) > 4 and right:
            point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[4])
            mounts.append((point, right.split()[0]))
    return mounts
