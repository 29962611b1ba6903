"""One database file as one process has it open: shared by all its queues in that process.

An engine joins the journal, the owner's lock, the observers and a thread that
keeps watch: it stores progress, notices what other processes committed or
whether they died, lets waiting jobs become due and copies the WAL.
"""

from __future__ import annotations

import functools
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final, TypeVar

from .. import errors
from ..file.beside import folder_of, tidy
from ..file.checkpoints import Durability
from ..file.database import Database
from ..file.place import check_link
from ..file.reserve import NO_ROOM, Reserve
from ..job import Job
from ..liveness.owners import OwnerLock
from ..liveness.recovery import Recovery
from ..store.store import Store
from ..store.tickets import Exchange
from ..threads.inside import here
from ..threads.interrupts import shielded
from ..threads.logs import Log
from ..threads.wakeup import Latch
from ..watch.observer import Observers
from .running import RunningJob

log: Final = Log("sprag.queue")

R = TypeVar("R")

# How late this process may be in noticing another's commit or death, or a due time.
TICK_SECONDS: Final = 0.05
_PROGRESS_SECONDS: Final = 0.1
_RESERVE_SECONDS: Final = 1.0
_COMPLAINT_SECONDS: Final = 10.0

_engines: dict[str, Engine] = {}
_registry: Final = threading.RLock()


class Engine:
    """Use `Engine.open` and `close`, which count its users."""

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
        self.database = Database(
            path, durability, vfs=vfs, flags=flags, busy_seconds=busy_seconds, create=create
        )
        self.folder = folder_of(path)
        self.store = Store(self.database, time.time, self._committed)
        self.observers = Observers(self.store)
        self.owner: int | None = None
        self.running: dict[tuple[int, int], RunningJob] = {}
        """By key and starts."""
        self.dirty: set[RunningJob] = set()
        """Runs with progress that is not stored yet."""
        self._workers: list[Exchange] = []
        self._employed: dict[str, int] = {}
        """What the file says of `_workers`: how many there are of each queue."""
        self._lock: OwnerLock | None = None
        self._tidies = True
        """False once an owner's row may be stored that cannot be read here: its lock file stays."""
        self._recovery = Recovery(self.store, self.folder)
        self._reserve: Reserve | None = None
        self._mutex = threading.Lock()
        self.closing = Latch()
        """Set once the file is about to be closed."""
        self._keeper: threading.Thread | None = None
        self._version = -1
        self._unheard = False
        self._due: dict[str, float | None] = {}
        self._times: dict[str, float] = {}

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
        with here.inside, _registry, shielded:
            engine = _engines.get(path)
            if engine is None:
                engine = _engines[path] = cls(path, durability, vfs, flags, busy_seconds, create)
            else:
                engine.database.check_same(durability, vfs, flags)
            engine.users += 1
            return engine

    def close(self) -> None:
        """One user less; the last one closes the file."""
        with here.inside, _registry, shielded:
            self.users -= 1
            if self.users or self.database.closed:
                return
            del _engines[self.path]
            self._close()
        self.observers.join()

    def _close(self) -> None:
        self.closing.set()
        self.observers.close()
        with here.inside, self._mutex:  # or it may be started, but not known yet
            keeper = self._keeper
        if keeper is not None and keeper is not threading.current_thread():
            keeper.join()
        if self.owner is not None and self._lock is not None:
            try:
                self._store_progress()
                self._for_certain(functools.partial(self.store.owners.leave, self.owner))
            except errors.DatabaseError:
                # The lock file stays, free: the next process to look recovers the jobs.
                log.exception("%s: this process could not sign off", self.path)
                self._lock.abandon()
            else:
                self._lock.release()
        if self._tidies:
            tidy(self.folder, self._tokens)
        self.database.close()

    def _tokens(self) -> set[str]:
        return {owner.token for owner in self.store.owners.all()}

    # ------------------------------------------------------------ running jobs

    def own(self) -> int:
        """Become an owner of jobs; the jobs of dead ones are recovered first. The owner's id."""
        with here.inside, self._mutex:
            if self.owner is None:
                self._recovery.refresh()
                self._recovery.sweep()
                try:
                    with _registry:  # no fork in the midst of it: a child must know of the lock
                        lock = self._lock = OwnerLock(self.folder)
                except OSError as error:
                    full = error.errno in NO_ROOM
                    raise (errors.DatabaseFull if full else errors.DatabaseReadOnly)(
                        f"no jobs of {self.path} can be run: {self.folder}, where processes show "
                        f"that they are alive, cannot be written ({error.strerror})",
                        self.path,
                    ) from error
                try:
                    self.owner = self.store.owners.add(
                        lock.token, os.getpid(), socket.gethostname()
                    )
                except errors.WriteUnknown:
                    # Should it be stored after all, then as that of a dead owner: the file stays.
                    self._lock = None
                    self._tidies = False
                    lock.abandon()
                    raise
                except BaseException:
                    self._lock = None
                    lock.release()
                    raise
                self._recovery.me = self.owner
                self._reserve = Reserve(self.folder, self.path)
                self._restore_reserve(self._reserve)
            return self.owner

    def admit(self, workers: list[Exchange], queue: str) -> None:
        """Take these workers of a queue into account."""
        with here.inside, self._mutex:
            self._workers += workers
            self._due.setdefault(queue, None)
            self._version = -1  # look for due jobs at the next tick

    def workers(self, queue: str) -> int:
        """How many workers of this queue the process has."""
        return sum(worker.queue == queue for worker in self._workers)

    def dismiss(self, workers: list[Exchange]) -> None:
        """Let these workers end once they have handed in what they have."""
        self.store.dismiss(workers)

    def discharge(self, workers: list[Exchange]) -> None:
        """Forget these workers; what they still run is released already."""
        with here.inside, self._mutex:
            self._workers = [worker for worker in self._workers if worker not in workers]

    # ------------------------------------------------------------ anyone's wishes

    def accepts(self) -> None:
        """Raise DatabaseFull while the room that was set aside is in use, DatabaseRefused if the
        file is gone."""
        self.database.check_in_place()
        if self._reserve is not None and self._reserve.spent:
            raise errors.DatabaseFull(
                f"the disk of {self.path} is full: nothing was stored, and nothing new is "
                "accepted until there is room again",
                self.path,
            )

    def cancel(self, id_: str, queue: str | None = None) -> Job:
        """Cancel a queued job, or ask a running one to give way; the job as of that commit.
        Raises JobNotFound."""
        moved, job = self._for_certain(lambda: self.store.cancel(id_, queue))
        if moved is not None and moved.status == "cancelling" and moved.owner == self.owner:
            self._interrupt(moved.key, moved.starts)
        return job

    def keep_watch(self) -> None:
        """Start the keeper, unless it runs."""
        with here.inside, self._mutex, shielded:
            if self._keeper is None:
                keeper = threading.Thread(target=self._keep, name="sprag-keeper", daemon=True)
                keeper.start()  # which fails where the system has no more threads
                self._keeper = keeper

    def _for_certain(self, write: Callable[[], R]) -> R:
        """Write something that may use the room that was set aside."""
        try:
            return write()
        except errors.DatabaseFull:
            if not self.spend_reserve():
                raise
            return write()

    def _interrupt(self, key: int, starts: int) -> bool:
        job = self.running.get((key, starts))
        if job is None:
            return False
        job.interrupt(errors.JobCancelled)
        return True

    def _committed(self, finished: Any) -> None:
        self.observers.committed(finished)

    # ------------------------------------------------------------ keeping watch

    def _keep(self) -> None:
        failing = False
        # Inside for all its life: what interrupts it must not keep it waiting.
        with here.inside:
            while not self.closing.wait(TICK_SECONDS):
                try:
                    self._look()
                    failing = False
                except errors.QueueClosed:
                    return
                except BaseException as error:  # noqa: BLE001  # the next look may succeed
                    if not failing and self._every("complaint", _COMPLAINT_SECONDS):
                        log.error("%s cannot be watched, and is tried again: %s",
                                  self.path, errors.told(error))  # fmt: skip
                    failing = True

    def _look(self) -> None:
        self.database.check_in_place()
        if self.dirty and self._every("progress", _PROGRESS_SECONDS):
            self._store_progress()
        if self.owner is not None:
            self.store.give_back(self.owner, self._workers)
            self._employ(self.owner)
        version = self.database.version()
        if version != self._version:
            # Not the other way round: `admit` may ask for another look meanwhile.
            self._version = version
            try:
                self._changed()
            except BaseException:
                self._version = -1
                raise
        elif self._unheard and self.owner is not None:
            self._pass_on_cancellations(self.owner)
        now = self.store.clock()
        for queue, due in tuple(self._due.items()):
            if due is not None and due <= now:
                self.store.promote(queue)
                self._due[queue] = self.store.jobs.next_due(queue)
        if self.owner is not None:
            self._recovery.sweep()
        reserve = self._reserve
        if reserve is not None and reserve.spent and self._every("reserve", _RESERVE_SECONDS):
            self._restore_reserve(reserve)
        self.database.checkpoint()

    def _changed(self) -> None:
        """Someone committed, perhaps another process: whatever may follow from that."""
        self.observers.changed()
        if self.owner is None:
            return
        self._pass_on_cancellations(self.owner)
        for queue in tuple(self._due):
            self._due[queue] = self.store.jobs.next_due(queue)
        self._recovery.refresh()
        self.store.nudge(self._workers)

    def _employ(self, owner: int) -> None:
        """Let the file say which queues this process runs, if that has changed."""
        workers = dict(Counter(worker.queue for worker in self._workers))
        if workers != self._employed:
            self.store.owners.employ(owner, workers)
            self._employed = workers

    def _pass_on_cancellations(self, owner: int) -> None:
        told = [self._interrupt(key, starts) for key, starts in self.store.owners.cancelling(owner)]
        # A worker that has just been given its run, or has just ended it, cannot be told: again.
        self._unheard = not all(told)

    def _store_progress(self) -> None:
        # Taken out before they are read: what is reported in between comes back in.
        jobs = [self.dirty.pop() for _ in range(len(self.dirty))]
        reports = [report for job in jobs if (report := job.report()) is not None]
        if reports and self.owner is not None:
            try:
                self.store.report(self.owner, reports)
            except errors.DatabaseError as error:
                if type(error) is not errors.DatabaseError:
                    # The lock or the disk: a handler may not report again for long.
                    self.dirty.update(jobs)
                raise

    def _every(self, what: str, seconds: float) -> bool:
        now = time.monotonic()
        if now < self._times.get(what, 0.0):
            return False
        self._times[what] = now + seconds
        return True

    # ------------------------------------------------------------ a full disk

    def spend_reserve(self) -> bool:
        """Use the room that was set aside, and start nothing more; False if there is none."""
        self.store.claiming = False
        if self._reserve is None:
            return False
        log.error("the disk of %s is full: no job is started until there is room", self.path)
        return self._reserve.spend()

    def _restore_reserve(self, reserve: Reserve) -> None:
        if reserve.restore():
            if not self.store.claiming:
                log.warning("the disk of %s has room again: jobs are started", self.path)
            self.store.claiming = True
            self.store.nudge(self._workers)
        else:
            self.store.claiming = False

    # ------------------------------------------------------------ fork

    def abandon(self) -> None:
        """In a forked child: this belongs to the parent."""
        self.database.abandon()
        if self._lock is not None:
            self._lock.abandon()
        self.closing = Latch()  # a thread that is not in this process may wait in the other
        self.closing.set()


def _before_fork() -> None:
    # Held across the fork, so that a child never finds it locked by a thread it does not have.
    _registry.acquire()
    for engine in _engines.values():
        if here.is_inside():
            engine.database.rest(0.0)  # forked by a finalizer: it may wait for this very thread
        else:
            engine.database.rest()


def _after_fork() -> None:
    try:
        for engine in _engines.values():
            engine.database.go_on()
    finally:
        _registry.release()


def _forked() -> None:
    try:
        for engine in _engines.values():
            engine.abandon()
    finally:
        _engines.clear()
        _registry.release()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_forked)
