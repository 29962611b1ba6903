"""Room set aside on the disk, so that what runs can be brought to its end when it is full."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from .disk import sync
from .logs import Log

_BYTES: Final = 2 * 1024 * 1024
NO_ROOM: Final = frozenset([errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
"""What a disk that is full answers, or one of which no more may be used."""

log: Final = Log("sprag.queue")


class Reserve:
    """A file of two megabytes that is deleted when a write finds no room.

    From then on `spent` is true: its room is for outcomes, cancellations and
    recovery, until `restore` has got it back from the disk.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.spent = False

    def restore(self) -> bool:
        """Set the room aside again; false if there is not enough."""
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                if os.fstat(fd).st_size < _BYTES:
                    _allocate(fd)
                    sync(fd)
            finally:
                os.close(fd)
        except OSError as error:
            with suppress(OSError):
                self._path.unlink()
            # What fails for another reason is done without: it says nothing of the room there is.
            self.spent = error.errno in NO_ROOM
            if not self.spent:
                log.error("no room can be set aside for a full disk: %s", error)
        else:
            self.spent = False
        return not self.spent

    def spend(self) -> bool:
        """Give the room back to the disk; whether there was any."""
        self.spent = True
        try:
            self._path.unlink()
        except OSError:
            return False
        return True


def _allocate(fd: int) -> None:
    """Blocks for the whole file: one with holes sets nothing aside."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(fd, 0, _BYTES)  # at once, also when it fails
        return
    left = _BYTES
    while left:
        left -= os.write(fd, bytes(min(65536, left)))
