"""Space on the disk that is set aside, so that running jobs can end when the disk is full."""

from __future__ import annotations

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


class Space:
    """While the space that was set aside is in use, no job is accepted, and none is started."""

    def __init__(self, store: Store, folder: Path, path: str) -> None:
        self._store = store
        self._folder = folder
        self._path = path
        self._reserve: Reserve | None = None

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
        if self._reserve is None:
            return False
        log.error("the disk of %s is full: no job is started until there is room", self._path)
        return self._reserve.spend()

    def for_certain(self, write: Callable[[], R]) -> R:
        """Write something that may use it."""
        try:
            return write()
        except errors.DatabaseFull:
            if not self.spend():
                raise
            return write()

    def restore(self, workers: Collection[Exchange]) -> None:
        """Set it aside again, if there is room, and let these workers start jobs again."""
        if self._reserve is not None and self._reserve.restore():
            log.warning("the disk of %s has room again: jobs are started", self._path)
            self._store.claiming = True
            self._store.nudge(workers)
