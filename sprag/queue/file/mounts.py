"""What kind of file system a path is on: SQLite's locks and log need a disk of this machine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final, Literal, NamedTuple

# Names as the kernel gives them.
_NETWORK: Final = frozenset(
    [
        "afpfs", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "fuse.blobfuse",
        "fuse.blobfuse2", "fuse.ceph", "fuse.curlftpfs", "fuse.davfs2", "fuse.gcsfuse",
        "fuse.glusterfs", "fuse.goofys", "fuse.gvfsd-fuse", "fuse.juicefs", "fuse.kio-fuse",
        "fuse.mfs", "fuse.mount-s3", "fuse.mountpoint-s3", "fuse.rclone", "fuse.s3fs",
        "fuse.seaweedfs", "fuse.smbnetfs", "fuse.sshfs", "gfs2", "glusterfs", "gpfs", "lustre",
        "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "pvfs2", "smb3", "smbfs", "webdav",
    ]
)  # fmt: skip

# Two kernels have these open. Neither sees the other's locks nor the other's changes to memory
# that is mapped from a file, and a log in that memory is what all processes of a database share.
# virtiofs, fakeowner, grpcfuse and osxfs are the folders of Docker Desktop, Podman, Colima and
# their like, where databases in WAL mode are known to be damaged even if the host never looks at
# them; vboxsf, vmhgfs and prl_fs are VirtualBox, VMware and Parallels, whose syncs or maps do
# nothing on some versions; 9p and drvfs are the Windows disks in WSL, and QEMU's.
_SHARED: Final = frozenset(
    [
        "9p", "drvfs", "fakeowner", "fuse.drvfs", "fuse.fakeowner", "fuse.grpcfuse", "fuse.hgfs",
        "fuse.osxfs", "fuse.prl_fs", "fuse.vboxsf", "fuse.virtiofs", "fuse.vmhgfs",
        "fuse.vmhgfs-fuse", "grpcfuse", "hgfs", "osxfs", "prl_fs", "prl_vfs", "prl_vtfs", "vboxsf",
        "virtiofs", "vmhgfs",
    ]
)  # fmt: skip

# FUSE programs that pass everything on to a disk of this machine.
_LOCAL_FUSE: Final = frozenset(
    [
        "fuse.bindfs", "fuse.cryfs", "fuse.encfs", "fuse.exfat", "fuse.ext2fs",
        "fuse.fuse-overlayfs", "fuse.fuse2fs", "fuse.gocryptfs", "fuse.ntfs-3g", "fuse.zfs",
    ]
)  # fmt: skip

Sort = Literal["local", "network", "shared", "served"]


class Ground(NamedTuple):
    """What a file stands on.

    "network": another machine has the disk. "shared": a virtual machine or container shares it
    with its host. "served": a program serves it (FUSE), and nobody knows what it does.
    """

    kind: str | None
    """The file system's type, as the kernel names it."""
    sort: Sort = "local"
    alone: bool = False
    """The file itself is a mount, so what lies beside it is on another file system."""


def ground(path: str) -> Ground:
    """What the file at `path` (absolute, there or not) stands on; "local" if nobody can tell."""
    path = os.path.realpath(path)
    best, found, alone = -1, None, False
    for point, kind in _mounts():
        if path == point:
            alone = True
        elif not path.startswith(point.rstrip("/") + "/"):
            continue
        if len(point) >= best:
            best, found = len(point), kind
    return Ground(found, _sort(found or ""), alone)


def _sort(kind: str) -> Sort:
    if kind in _NETWORK:
        return "network"
    if kind in _SHARED:
        return "shared"
    if kind == "fuse" or (kind.startswith("fuse.") and kind not in _LOCAL_FUSE):
        return "served"
    return "local"


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
