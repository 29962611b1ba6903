"""One database file as one process has it open: shared by all its queues in that process."""

from __future__ import annotations

import os
import threading
import time
import weakref
from contextlib import suppress
from typing import Any, Final

from .. import errors
from ..file.beside import folder_of, tidy
from ..file.checkpoints import Durability
from ..file.database import Database
from ..file.place import check_link
from ..job import Job
from ..liveness.recovery import Recovery
from ..store.store import Store
from ..store.tickets import Exchange
from ..threads.inside import here
from ..threads.wakeup import Latch
from ..watch.observer import Observers
from .crew import Crew
from .keeper import Keeper
from .owner import Ownership
from .space import Space
from .timetable import Timetable


class Engine:
    """Use `Engine.open` and `close`, which count its users.

    It puts the parts together: the store, its observers, the space that is set aside, the
    process as an owner of jobs, its workers, and the keeper, which looks after all of them.
    """

    def __init__(
        self,
        path: str,
        durability: Durability,
        vfs: str | None,
        flags: int,
        busy_seconds: float,
        create: bool,
    ) -> None:
        self.path = path
        self.users = 0
        self._file = _File()
        self.database = Database(
            path, durability, vfs=vfs, flags=flags, busy_seconds=busy_seconds, create=create
        )
        self.folder = folder_of(path)
        self.store = Store(self.database, time.time, self._committed)
        self.observers = Observers(self.store)
        self.closing = Latch()
        """Set once the file is about to be closed."""
        self.space = Space(self.store, self.folder, path)
        self.crew = Crew(self.store)
        recovery = Recovery(self.store, self.folder, on_lost=self.crew.tell_lost)
        self.ownership = Ownership(
            self.store, recovery, self.space, self.folder, path, lambda: _registry
        )
        self.timetable = Timetable(self.store)
        self.keeper = Keeper(
            self.store, self.observers, self.ownership, self.crew, recovery, self.space,
            self.timetable, self.closing,
        )  # fmt: skip

    @classmethod
    def open(
        cls,
        path: str,
        durability: Durability = "full",
        *,
        vfs: str | None = None,
        flags: int = 0,
        busy_seconds: float = 10.0,
        create: bool = True,
    ) -> Engine:
        """The engine of this file in this process, opened if need be.

        With `create` false, a missing or empty file is refused, not made.
        Raises a DatabaseError, or ConfigurationError where the file is open
        with another durability or VFS.
        """
        check_link(path)
        path = os.path.realpath(path)
        file = _file(path)
        with here.inside, file.opening:
            engine = file.engine
            if engine is None:
                engine = cls(path, durability, vfs, flags, busy_seconds, create)
                engine._file, file.engine = file, engine
            else:
                engine.database.check_same(durability, vfs, flags)
            engine.users += 1
            return engine

    def close(self) -> None:
        """One user less; the last one closes the file."""
        with here.inside, self._file.opening:
            self.users -= 1
            if self.users or self.database.closed:
                return
            try:
                self._close()
            finally:
                self._file.engine = None
        self.observers.join()

    def _close(self) -> None:
        self.closing.set()
        self.observers.close()
        self.keeper.join()
        if self.owner is not None:
            with suppress(errors.DatabaseError):  # `leave` will say so
                self.crew.store_progress(self.owner)
            self.ownership.leave()
        if self.ownership.tidies:
            tidy(self.folder, self._tokens)
        self.database.close()

    def _tokens(self) -> set[str]:
        return {owner.token for owner in self.store.owners.all()}

    # ------------------------------------------------------------ running jobs

    @property
    def owner(self) -> int | None:
        """The id under which this process owns jobs, if it does."""
        return self.ownership.id

    def admit(self, tickets: list[Exchange], queue: str) -> None:
        """Take these workers of a queue into account."""
        self.crew.admit(tickets)
        self.keeper.mind(queue)

    # ------------------------------------------------------------ anyone's wishes

    def accepts(self) -> None:
        """Raise DatabaseFull while the space that was set aside is in use, DatabaseRefused if the
        file is gone."""
        self.database.check_in_place()
        self.space.check()

    def cancel(self, id_: str, queue: str | None = None) -> Job:
        """Cancel a queued job, or ask a running one to give way; the job as of that commit.
        Raises JobNotFound."""
        moved, job = self.space.for_certain(lambda: self.store.cancel(id_, queue))
        if moved is not None and moved.status == "cancelling" and moved.owner == self.owner:
            self.crew.interrupt(moved.key, moved.starts)
        return job

    def keep_watch(self) -> None:
        """Start the keeper, unless it runs."""
        self.keeper.keep_watch()

    def _committed(self, finished: Any) -> None:
        self.observers.committed(finished)

    def abandon(self) -> None:
        """In a forked child: this belongs to the parent."""
        self.store.abandon()
        self.ownership.abandon()
        self.closing.set()


# ---------------------------------------------------------------- the files that are open


class _File:
    """A path, and the engine that has it open, if one has."""

    def __init__(self) -> None:
        self.opening = threading.RLock()
        """Held while the file is opened or closed, so that both happen once."""
        self.engine: Engine | None = None


_files: weakref.WeakValueDictionary[str, _File] = weakref.WeakValueDictionary()
_registry: Final = threading.RLock()
"""Held while a path is looked up, and across a fork."""


def _file(path: str) -> _File:
    with here.inside, _registry:
        return _files.setdefault(path, _File())


_held: Final[list[_File]] = []
"""The files that the fork under way has to let go of."""


def _before_fork() -> None:
    # Held across the fork, so that a child never finds a file half open, or a lock taken by a
    # thread that it does not have.
    _registry.acquire()
    for file in list(_files.values()):
        file.opening.acquire()
        _held.append(file)
        if file.engine is not None:
            if here.is_inside():
                file.engine.database.rest(0.0)  # forked by a finalizer: it may wait for itself
            else:
                file.engine.database.rest()


def _after_fork() -> None:
    try:
        while _held:
            file = _held.pop()
            if file.engine is not None:
                file.engine.database.go_on()
            file.opening.release()
    finally:
        _registry.release()


def _forked() -> None:
    try:
        while _held:
            file = _held.pop()
            if file.engine is not None:
                file.engine.abandon()
    finally:
        _files.clear()
        _registry.release()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_forked)
