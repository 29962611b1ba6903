"""How this process becomes an owner of a file's jobs, and ceases to be one."""

from __future__ import annotations

import functools
import os
import socket
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from .. import errors
from ..file.reserve import NO_ROOM
from ..liveness.owners import OwnerLock
from ..liveness.recovery import Recovery
from ..store.store import Store
from ..threads.inside import here
from ..threads.logs import Log
from .space import Space

log: Final = Log("sprag.queue")


class Ownership:
    """The lock that shows that this process lives, and its row in the file."""

    def __init__(
        self,
        store: Store,
        recovery: Recovery,
        space: Space,
        folder: Path,
        path: str,
        no_fork: Callable[[], AbstractContextManager[object]],
    ) -> None:
        """`no_fork()` is a block in which this process does not fork."""
        self.id: int | None = None
        """The owner's id, once the process is one."""
        self.tidies = True
        """False once a row may be stored that cannot be read here: its lock file stays."""
        self._store = store
        self._recovery = recovery
        self._space = space
        self._folder = folder
        self._path = path
        self._no_fork = no_fork
        self._becoming = threading.Lock()
        """Held while the process becomes an owner."""
        self._lock: OwnerLock | None = None

    def take(self) -> int:
        """Become an owner of jobs; the jobs of dead ones are recovered first. The owner's id."""
        with here.inside, self._becoming:
            if self.id is None:
                self._recovery.refresh()
                self._recovery.sweep()
                self.id = self._recovery.me = self._entered(self._locked())
                self._space.set_aside()
            return self.id

    def _locked(self) -> OwnerLock:
        try:
            with self._no_fork():  # a child must know of the lock
                lock = self._lock = OwnerLock(self._folder)
        except OSError as error:
            full = error.errno in NO_ROOM
            raise (errors.DatabaseFull if full else errors.DatabaseReadOnly)(
                f"no jobs of {self._path} can be run: {self._folder}, where processes show "
                f"that they are alive, cannot be written ({error.strerror})",
                self._path,
            ) from error
        return lock

    def _entered(self, lock: OwnerLock) -> int:
        try:
            return self._store.owners.add(lock.token, os.getpid(), socket.gethostname())
        except errors.WriteUnknown:
            # Should it be stored after all, then as that of a dead owner: the file stays.
            self._lock = None
            self.tidies = False
            lock.abandon()
            raise
        except BaseException:
            self._lock = None
            lock.release()
            raise

    def leave(self) -> None:
        """Be an owner no longer. Its workers have ended."""
        if self.id is None or self._lock is None:
            return
        try:
            self._space.for_certain(functools.partial(self._store.owners.leave, self.id))
        except errors.DatabaseError:
            # The lock file stays, free: the next process to look recovers the jobs.
            log.exception("%s: this process could not sign off", self._path)
            self._lock.abandon()
        else:
            self._lock.release()

    def vanish(self) -> None:
        """Be an owner no longer, without a word: the jobs stay as they are until somebody recovers
        them, as if the process had died."""
        self.abandon()
        self._lock = self.id = self._recovery.me = None

    def abandon(self) -> None:
        """In a forked child: this belongs to the parent."""
        if self._lock is not None:
            self._lock.abandon()
