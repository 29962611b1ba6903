"""The workers of one file in this process, of all queues: which there are, and what they run."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from .. import errors
from ..store.store import Store
from ..store.tickets import Exchange
from ..threads.inside import here
from ..threads.logs import Log
from .failures import Failures
from .running import RunningJob

log: Final = Log("sprag.queue")

# A handler that is told to end at its limit has so long before it counts as one that goes on.
_LATE_SECONDS: Final = 1.0


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
        self.limited: set[RunningJob] = set()
        """Runs with a time limit that are not known to have passed it."""
        self.failures: tuple[Failures, ...] = ()
        """Of the queues that want to know which jobs have failed. Replaced, as `tickets` is."""
        self._employed: tuple[dict[str, int], dict[str, str]] = ({}, {})
        """What the file says of the workers: how many there are of each queue, and the tasks that
        they know."""

    def admit(self, tickets: Sequence[Exchange]) -> None:
        """Take these workers into account."""
        with here.inside, self._mutex:
            self.tickets += tuple(tickets)

    def hear(self, failures: Failures | None) -> None:
        """Tell these of jobs that fail because their process died too often."""
        if failures is not None:
            with here.inside, self._mutex:
                self.failures += (failures,)

    def discharge(self, tickets: Sequence[Exchange], failures: Failures | None) -> None:
        """Forget these workers; what they still run is released already."""
        with here.inside, self._mutex:
            self.tickets = tuple(worker for worker in self.tickets if worker not in tickets)
            self.failures = tuple(one for one in self.failures if one is not failures)

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

    def tell_lost(self, ids: Sequence[str]) -> None:
        """These jobs have failed, because their process died too often: call `on_failure` of the
        queues that run here."""
        for failures in {one.queue: one for one in self.failures}.values():
            jobs = []
            for id_ in ids:
                with suppress(errors.JobNotFound, errors.DatabaseCorrupt):
                    job = self._store.jobs.get(id_, failures.queue)
                    jobs += [job] if job.status == "failed" else []
            if jobs:
                failures.tell_elsewhere(jobs)

    # ------------------------------------------------------------ for the keeper

    def announce(self, owner: int) -> None:
        """Let the file say which queues and tasks this process runs, if that has changed."""
        tickets = self.tickets
        workers = dict(Counter(worker.queue for worker in tickets))
        tasks = {each.queue: each.tasks for each in tickets if each.tasks is not None}
        if (workers, tasks) != self._employed:
            known = {queue: json.loads(names) for queue, names in tasks.items()}
            self._store.owners.employ(owner, workers, known)
            self._employed = (workers, tasks)

    def store_overdue(self, owner: int) -> None:
        """Say in the log and in the file, once for each run, that it goes on past its limit."""
        late = [job for job in tuple(self.limited) if job.late_by >= _LATE_SECONDS]
        if not late:
            return
        self._store.overdue(owner, [(job.run.key, job.run.starts) for job in late])
        self.limited.difference_update(late)
        for job in late:
            log.warning("job %s of %s is over its time limit of %g s and goes on: its handler does "
                        "not call check_cancelled(), or takes long to end",
                        job.id, job.queue, job.time_limit)  # fmt: skip

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
