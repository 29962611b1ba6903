"""Space on the disk that is set aside, so that running jobs can end when the disk is full."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final, TypeVar

from .. import errors
from ..file.reserve import Reserve
from ..store.store import Store
from ..store.tickets import Exchange
from ..threads.logs import Log

log: Final = Log("sprag.queue")

R = TypeVar("R")

SECONDS: Final = 1.0
"""How long it is in use at least, once it is; and how often it is tried to set it aside again."""


class Space:
    """While the space that was set aside is in use, no job is accepted, and none is started."""

    def __init__(self, store: Store, folder: Path, path: str) -> None:
        self._store = store
        self._folder = folder
        self._path = path
        self._reserve: Reserve | None = None
        self._spent_at = 0.0

    def set_aside(self) -> None:
        """From now on there is some, if there can be."""
        self._reserve = Reserve(self._folder, self._path)
        self._store.claiming = self._reserve.restore()

    @property
    def in_use(self) -> bool:
        """True from the moment a write found the disk full until there is room again."""
        return self._reserve is not None and self._reserve.spent

    def check(self) -> None:
        """Raise DatabaseFull while it is in use."""
        if self.in_use:
            raise errors.DatabaseFull(
                f"the disk of {self._path} is full: nothing was stored, and nothing new is "
                "accepted until there is room again",
                self._path,
            )

    def spend(self) -> bool:
        """Use it. False if there is none left."""
        self._store.claiming = False
        self._spent_at = time.monotonic()
        if self._reserve is None:
            return False
        log.error("the disk of %s is full: no job is started until there is room", self._path)
        return self._reserve.spend()

    def for_certain(self, write: Callable[[], R]) -> R:
        """Write something that may use it."""
        while True:
            try:
                return write()
            except errors.DatabaseFull:
                if not self.spend():
                    raise

    def restore(self, workers: Collection[Exchange]) -> None:
        """Set it aside again, if there is room, and let these workers start jobs again. Not right
        after it was spent: it would be taken from the very write that needs it."""
        if time.monotonic() - self._spent_at < SECONDS:
            return
        if self._reserve is not None and self._reserve.restore():
            log.warning("the disk of %s has room again: jobs are started", self._path)
            self._store.claiming = True
            self._store.nudge(workers)
