"""The workers of one file in this process, of all its queues: which there are, what they run, and
how each hands in an outcome and gets its next job."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from typing import Final

from .. import errors
from ..store.store import Store
from ..store.tickets import Exchange, Outcome, Run
from ..threads.inside import here
from ..threads.logs import Log
from ..threads.wakeup import Latch
from .execution import describe
from .running import RunningJob
from .space import Space

log: Final = Log("sprag.queue")

_RETRY_SECONDS: Final = (0.05, 5.0)


class Crew:
    """Everyone may ask; `admit` and `discharge` are for the pools of the queues."""

    def __init__(self, store: Store, space: Space, closing: Latch) -> None:
        self._store = store
        self._space = space
        self._closing = closing
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

    def dismiss(self, tickets: Sequence[Exchange]) -> None:
        """Let these workers end once they have handed in what they have."""
        self._store.dismiss(tickets)

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

    def exchange(self, ticket: Exchange, outcome: Outcome | None) -> Run | None:
        """Like `Journal.exchange`, but patient: while the file cannot be written, it tries
        again, so that no outcome is lost and no worker dies. Raises only QueueClosed."""
        wait, most = _RETRY_SECONDS
        tries = 0
        hopeless = False
        while True:
            self._store.database.check_open()
            try:
                run = self._store.exchange(ticket, outcome)
            except errors.QueueClosed:
                raise
            except Exception as error:  # a MemoryError, too, is over some time
                if isinstance(error, errors.DatabaseFull) and self._space.spend():
                    continue
                if type(error) is errors.DatabaseError and outcome is not None:
                    # Not the disk but this very outcome: repeating it would not help.
                    log.exception("the outcome of job %s cannot be stored", outcome.run.id)
                    outcome, hopeless = _lesser(outcome, error, hopeless)
                    if outcome is None:
                        ticket.claimed = None
                        continue
                elif tries % 20 == 0:
                    log.error("a worker of %s cannot write, and goes on trying: %s",
                              ticket.queue, errors.told(error))  # fmt: skip
                tries += 1
                with here.inside:
                    closing = self._closing.wait(wait)
                if closing:
                    raise errors.QueueClosed("the file of the queue is closed") from error
                wait = min(wait * 2, most)
            else:
                if ticket.refused and outcome is not None and not tries:
                    log.warning("job %s was taken from this process before it ended; its outcome "
                                "(%s) is dropped", outcome.run.id, outcome.event)  # fmt: skip
                return run

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


def _lesser(
    outcome: Outcome, error: errors.DatabaseError, hopeless: bool
) -> tuple[Outcome | None, bool]:
    """What to store in place of an outcome that cannot be, and whether that was the last way: the
    same without its progress, a failure, nothing (the job stays as it is, the worker goes on)."""
    if outcome.report is not None:
        return outcome._replace(report=None), hopeless
    if hopeless:
        return None, True
    return Outcome(outcome.run, "fail", error=describe(error)), True
