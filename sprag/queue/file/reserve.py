"""Reserved space on the disk, so that running jobs can end when the disk is full."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from ..threads.logs import Log
from .beside import RESERVE, adapt
from .disk import sync

_BYTES: Final = 2 * 1024 * 1024
NO_ROOM: Final = frozenset([errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
"""The errors of a disk that is full, or of a user who has used up a quota."""

log: Final = Log("sprag.queue")


class Reserve:
    """A file of two megabytes that is deleted when a write finds no space.

    From then on `spent` is true: the space is used for outcomes, cancellations and recovery, until
    `restore` has reserved it again.
    """

    def __init__(self, folder: Path, database: str) -> None:
        self._path = folder / RESERVE
        self._database = database
        self.spent = False

    def restore(self) -> bool:
        """Reserve the space again. False if there is not enough."""
        try:
            fd = self._opened()
            try:
                adapt(fd, self._database)
                if os.fstat(fd).st_size < _BYTES:
                    _allocate(fd)
                    sync(fd)
            finally:
                os.close(fd)
        except OSError as error:
            with suppress(OSError):
                self._path.unlink()
            # If it fails for another reason, do without it: that does not mean that space is short.
            self.spent = error.errno in NO_ROOM
            if not self.spent:
                log.error("no room can be set aside for the time when the disk is full: %s", error)
        else:
            self.spent = False
        return not self.spent

    def _opened(self) -> int:
        flags = os.O_RDWR | os.O_CREAT
        try:
            return os.open(self._path, flags, 0o600)
        except PermissionError:
            # It belongs to another user, from a time when only that user had the database.
            self._path.unlink()
            return os.open(self._path, flags, 0o600)

    def spend(self) -> bool:
        """Give the space back to the disk. False if none was reserved."""
        self.spent = True
        try:
            self._path.unlink()
        except OSError:
            return False
        return True


def _allocate(fd: int) -> None:
    """Allocate the blocks of the whole file: a file with holes reserves nothing."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(fd, 0, _BYTES)  # at once, also when it fails
        return
    left = _BYTES
    while left:
        left -= os.write(fd, bytes(min(65536, left)))
