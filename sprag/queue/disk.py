"""Files and folders of which a power loss takes nothing. A file's name is in its folder, not in
the file, so syncing the file alone may leave it without one.
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
    """Return once what was made, renamed or deleted in the folder is so for good."""
    fd = os.open(path, os.O_RDONLY)
    try:
        sync(fd)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that knows no such thing
            raise
    finally:
        os.close(fd)
