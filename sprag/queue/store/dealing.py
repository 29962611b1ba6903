"""Handing out the runs that a batch has started: who has nothing to do, who gets which run."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable
from typing import NamedTuple

from ..threads.inside import here
from .tickets import Exchange, Run


class Seekers(NamedTuple):
    """The workers of a queue that want a run: those of the batch come before those that are
    parked."""

    queue: str
    asking: list[Exchange]
    parked: list[Exchange]

    @property
    def owner(self) -> int:
        return (self.asking or self.parked)[0].owner

    @property
    def tasks(self) -> str | None:
        # A queue's workers in a process are of one class, so they know the same tasks.
        return (self.asking or self.parked)[0].tasks


class Dealer:
    """The parked workers of a process. Only `dismiss` may be called by who does not have the turn
    to write."""

    def __init__(self) -> None:
        # By queue; the last to come is the first to go, its stack is warm. The mutex is for
        # dismiss(), which does not hold the turn to write.
        self._parked: dict[str, dict[Exchange, None]] = {}
        self._parking = threading.Lock()
        self.adrift = 0
        """How many batches may have started runs that no worker has: one while it is written, and
        each that was torn."""

    def forked(self) -> None:
        """Begin anew: a thread that a forked child lacks may have held the lock."""
        self._parking = threading.Lock()

    def is_idle(self, queue: str) -> bool:
        """True if a worker of the queue waits for a job."""
        return bool(self._parked.get(queue))

    def seekers(
        self, workers: Iterable[Exchange], stirred: Collection[str] | None
    ) -> list[Seekers]:
        """Who wants a run, by queue: those of `workers` that go on, and those parked in the queues
        that were `stirred`, None for all."""
        found: dict[str, Seekers] = {}
        for worker in workers:
            if not worker.stopping:
                of_queue = found.get(worker.queue)
                if of_queue is None:
                    of_queue = found[worker.queue] = Seekers(worker.queue, [], [])
                of_queue.asking.append(worker)
        with self._parking:
            for queue in self._parked if stirred is None else stirred:
                if parked := [worker for worker in self._parked.get(queue, ()) if worker.parked]:
                    parked.reverse()
                    found.setdefault(queue, Seekers(queue, [], [])).parked.extend(parked)
        return list(found.values())

    def deal(self, seekers: Seekers, runs: list[Run]) -> bool:
        """Hand out what was started, wake who was parked, park who got nothing. False if runs are
        left over, because workers have gone meanwhile."""
        remaining = iter(runs)
        parked = self._parked.setdefault(seekers.queue, {})
        with self._parking:
            for seeker in seekers.asking:
                run = next(remaining, None)
                if run is not None:
                    parked.pop(seeker, None)  # an exchange that was torn may have left it there
                    seeker.claimed = run
                elif not seeker.stopping:
                    seeker.parked = True
                    parked[seeker] = None
            for seeker in seekers.parked:
                if not seeker.parked:
                    continue  # dismissed or woken while this was being written
                run = next(remaining, None)
                if run is None:
                    break
                # Not to be found any more before it is woken: it could be dealt another.
                parked.pop(seeker, None)
                seeker.claimed = run
                seeker.wake_parked()
        return next(remaining, None) is None

    def deal_again(self, workers: Iterable[Exchange]) -> None:
        """Put right what an exception in the midst of `deal` or `dismiss` has left."""
        with self._parking:
            for worker in workers:
                parked = self._parked.setdefault(worker.queue, {})
                if worker.done:
                    worker.wake()  # it may not have been
                elif worker.parked and (worker.claimed is not None or worker.stopping):
                    parked.pop(worker, None)
                    worker.wake_parked()
                elif worker.parked:
                    parked[worker] = None

    def dismiss(self, workers: Iterable[Exchange]) -> None:
        """Give these workers no more runs, and wake those that wait for one."""
        with here.inside, self._parking:
            for worker in workers:
                worker.stopping = True
                if worker.parked:
                    self._parked.get(worker.queue, {}).pop(worker, None)
                    worker.wake_parked()
