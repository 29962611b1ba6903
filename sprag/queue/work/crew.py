"""The workers of one file in this process, of all queues: which there are, and what they run."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence

from .. import errors
from ..store.store import Store
from ..store.tickets import Exchange
from ..threads.inside import here
from .running import RunningJob


class Crew:
    """Everyone may ask; `admit` and `discharge` are for the pools of the queues."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._mutex = threading.Lock()
        """Held while `tickets` is replaced."""
        self.tickets: tuple[Exchange, ...] = ()
        """One for each worker. Replaced, never changed, so no lock is needed to read it."""
        self.running: dict[tuple[int, int], RunningJob] = {}
        """By key and starts."""
        self.dirty: set[RunningJob] = set()
        """Runs with progress that is not stored yet."""
        self._employed: dict[str, int] = {}
        """What the file says of the workers: how many there are of each queue."""

    def admit(self, tickets: Sequence[Exchange]) -> None:
        """Take these workers into account."""
        with here.inside, self._mutex:
            self.tickets += tuple(tickets)

    def discharge(self, tickets: Sequence[Exchange]) -> None:
        """Forget these workers; what they still run is released already."""
        with here.inside, self._mutex:
            self.tickets = tuple(worker for worker in self.tickets if worker not in tickets)

    def count(self, queue: str) -> int:
        """How many workers of this queue the process has."""
        return sum(worker.queue == queue for worker in self.tickets)

    def interrupt(self, key: int, starts: int) -> bool:
        """Tell a run that its job is to be cancelled. False if it does not run just now."""
        job = self.running.get((key, starts))
        if job is None:
            return False
        job.interrupt(errors.JobCancelled)
        return True

    # ------------------------------------------------------------ for the keeper

    def announce(self, owner: int) -> None:
        """Let the file say which queues this process runs, if that has changed."""
        workers = dict(Counter(worker.queue for worker in self.tickets))
        if workers != self._employed:
            self._store.owners.employ(owner, workers)
            self._employed = workers

    def store_progress(self, owner: int) -> None:
        """Store what was reported since the last time."""
        # Taken out before they are read: what is reported in between comes back in.
        jobs = [self.dirty.pop() for _ in range(len(self.dirty))]
        reports = [report for job in jobs if (report := job.report()) is not None]
        if reports:
            try:
                self._store.report(owner, reports)
            except errors.DatabaseError as error:
                if type(error) is not errors.DatabaseError:
                    # The lock or the disk: a handler may not report again for long.
                    self.dirty.update(jobs)
                raise
