"""Process and machine: what the system tells about them."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path


def resident_bytes() -> int:
    """The memory that this process holds now."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    command = ["ps", "-o", "rss=", "-p", str(os.getpid())]
    return int(subprocess.run(command, capture_output=True, check=True).stdout) * 1024


def thread_writes() -> int | None:
    """How many system calls of the calling thread have written; None where nobody counts."""
    counters = Path("/proc/thread-self/io")
    if not counters.exists():
        return None
    fields = dict(line.split(": ") for line in counters.read_text().splitlines())
    return int(fields["syscw"])


def in_memory(folder: Path) -> bool:
    """Whether `folder` is on a file system without a disk, as far as this system tells."""
    mounts = Path("/proc/mounts")
    if not mounts.exists():
        return False
    kinds = {}
    for line in mounts.read_text().splitlines():
        _, point, kind, *_ = line.split()
        kinds[point] = kind
    resolved = folder.resolve()
    for parent in (resolved, *resolved.parents):
        if str(parent) in kinds:
            return kinds[str(parent)] in {"tmpfs", "ramfs"}
    return False


def machine() -> str:
    """Cores, system and Python in one line."""
    return (
        f"{os.cpu_count()} cores, {platform.system()} {platform.release()} {platform.machine()}, "
        f"Python {platform.python_version()}"
    )
