"""Files and folders that survive a power loss. The name of a file is stored in its folder, so the
folder must be synced too, or the file may have no name afterwards.
"""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path


def sync(fd: int) -> None:
    """Return once the file is on the disk, as far as the system can tell."""
    if hasattr(fcntl, "F_FULLFSYNC"):  # macOS, where fsync() ends at the disk's own cache
        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
    else:
        os.fsync(fd)


def sync_folder(path: Path) -> None:
    """Return once everything that was made, renamed or deleted in the folder is on the disk."""
    fd = os.open(path, os.O_RDONLY)
    try:
        sync(fd)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that does not support it
            raise
    finally:
        os.close(fd)
