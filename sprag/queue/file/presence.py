"""Whether the open file is still the one at its path."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from .. import errors
from .place import which

_LOOK_SECONDS: Final = 0.05


class Presence:
    """The database at `path` and its log, as they were when `opened` was called. Before that, no
    check fails."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._files: dict[str, tuple[int, int] | None] = {}
        self._looked_at = 0.0

    def opened(self) -> None:
        """Remember which files are there now."""
        with suppress(OSError):
            # SQLite keeps both open, and nobody else may delete the log meanwhile.
            self._files = {name: which(name) for name in (self._path, f"{self._path}-wal")}

    def look_again(self) -> None:
        """Let the next `check` look at the disk, however soon it comes."""
        self._looked_at = 0.0

    def check(self, check_open: Callable[[], None]) -> None:
        """Raise DatabaseRefused if the file or its log was deleted or replaced since it was
        opened: SQLite would write on, into a file that nobody can open again. Looks now and then.

        `check_open` raises if this process has closed the file itself meanwhile.
        """
        now = time.monotonic()
        if now < self._looked_at + _LOOK_SECONDS:
            return
        for name, opened in self._files.items():
            try:
                there = which(name)
            except OSError:
                return  # it may still be there: the next access will show
            if opened is not None and there != opened:
                check_open()  # another thread has closed the file, and the log with it
                raise errors.DatabaseRefused(
                    f"{name} was deleted or replaced while it was open: nothing is accepted, and "
                    "what running jobs store is lost with the old file. Stop every process that "
                    f"has {self._path} open, then put the right file in place",
                    self._path,
                )
        self._looked_at = now
