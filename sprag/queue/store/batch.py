"""Batches: the tickets of a group commit, written in one transaction.

Outcomes, new jobs, other changes and claims share it, in that order, so that a
job finished and the next one started are one commit, and so are a job enqueued
and started.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import apsw

from .. import errors
from ..file.database import Database
from ..file.meaning import ENVIRONMENT, SPOILS, UNKNOWN
from . import moves
from .aside import Aside
from .dealing import Dealer, Seekers
from .tickets import Call, Enqueue, Exchange, Options, Outcome, Run

Posted = Enqueue | Call | Exchange


class _Sorted(NamedTuple):
    """The tickets of a batch by their kind, and the outcomes of the workers that hand one in."""

    enqueues: list[Enqueue]
    calls: list[Call]
    workers: list[Exchange]
    handing: list[Exchange]
    outcomes: list[Outcome]


class _Written(NamedTuple):
    """A batch that is being committed, and not told to everyone yet."""

    commits: int
    """How many commits there were before."""
    tickets: _Sorted


class Batches:
    """Writes batches to one `Database`. `on_commit(ids)` is called after each COMMIT, with the ids
    of the jobs whose outcomes were in it."""

    def __init__(
        self,
        database: Database,
        dealer: Dealer,
        clock: Callable[[], float],
        on_commit: Callable[[Sequence[str]], None],
    ) -> None:
        self.clock = clock
        self.claiming = True
        """False while nothing may be started, because the disk has no room for its outcome."""
        self._database = database
        self._dealer = dealer
        self._aside = Aside()
        self._on_commit = on_commit
        self._spoilt = False
        """True once the writer may be one that cannot write any more."""
        self._written: _Written | None = None

    def write(self, batch: list[Posted]) -> int:
        """Write a batch in one transaction; where that fails for a reason of one ticket's own,
        each in one of its own. How many workers were given a run, and will be back."""
        try:
            database = self._database
            with database.turn:
                if database.closed:
                    database.check_open()
                if database.writer.in_transaction:
                    # An exception has torn it: nothing may be added to it.
                    database.rollback()
                if self._spoilt:
                    database.renew()
                    self._spoilt = False
                if self._written is not None:
                    batch = self._settled(batch, self._written)
                return self._transact(batch) if batch else 0
        except moves.Unclaimable as error:
            self._aside.expect(error)
            return self.write(batch)
        except ENVIRONMENT as error:
            self._fail(batch, error)
        except (apsw.Error, errors.QueueError, UnicodeError) as error:
            if len(batch) > 1:
                return sum(self.write([ticket]) for ticket in batch)
            self._fail(batch, error)
        return 0

    def accept(self, options: Options, ids: Sequence[str], items: Sequence[str]) -> float | None:
        """Accept jobs without a ticket; when, or None if that takes a batch. Like `write`, only
        for who leads the group commit."""
        database = self._database
        try:
            with database.turn:
                torn = self._spoilt or self._written is not None or database.writer.in_transaction
                if torn or database.closed or not self._is_mere_insert(options):
                    return None
                now = self.clock()
                moves.insert(database.writer, now, options, ids, items)
                self._on_commit(())
                database.bound_wal()
                return now
        except (apsw.Error, UnicodeError) as error:
            raise self._told(error) from error

    def _settled(self, batch: list[Posted], written: _Written) -> list[Posted]:
        """What is left to write of a batch. What an exception of a signal handler has torn after
        its COMMIT was stored, and must not be written again: it would be refused."""
        if written.commits != self._database.checkpoints.commits:
            enqueues, calls, _workers, handing, outcomes = written.tickets
            for ticket in (*enqueues, *calls):
                ticket.done = True
            for worker, outcome in zip(handing, outcomes, strict=True):
                if worker.outcome is outcome:
                    worker.outcome = None
        self._written = None
        return [ticket for ticket in batch if not ticket.done]

    def _fail(self, batch: list[Posted], error: Exception) -> None:
        told = error
        if isinstance(error, apsw.Error | UnicodeError):
            told = self._told(error)
            told.__cause__ = error
        for ticket in batch:
            ticket.error = told
            ticket.done = True

    def _told(self, error: apsw.Error | UnicodeError) -> errors.QueueError:
        """What callers are told of an error of SQLite's."""
        self._spoilt = self._spoilt or isinstance(error, SPOILS)
        return self._database.write_error(error)

    def _transact(self, batch: list[Posted]) -> int:
        database, dealer = self._database, self._dealer
        writer = database.writer
        now = self.clock()
        if self._accept_alike(writer, now, batch):
            return 0
        tickets = enqueues, calls, workers, handing, outcomes = _sorted(batch)
        everyone = dealer.seekers(workers, None if calls else _stirred(enqueues, handing))
        # What an application's signal handler raises may end this anywhere in the main thread, and
        # once more what would put things right: the count is then found up.
        adrift = dealer.adrift
        dealer.adrift = adrift + 1
        try:
            database.begin(lasting=any(call.lasting for call in calls))
            if handing:
                self._hand_in(writer, now, handing, outcomes)
            if enqueues:
                moves.accept(writer, now, enqueues)
            for ticket in calls:
                ticket.result = ticket.run(writer, now)
            claimed = [self._claim(writer, now, seekers) for seekers in everyone]
        except BaseException:
            database.rollback()
            dealer.adrift = adrift
            raise
        self._written = _Written(database.checkpoints.commits, tickets)
        try:
            database.commit()
        except BaseException as error:
            database.rollback()
            # A disk that fails in a commit does not say whether it took place, and with it the
            # claims; nor does what a signal handler raises: `give_back` finds what was started.
            if isinstance(error, apsw.Error) and not isinstance(error, UNKNOWN):
                dealer.adrift = adrift
            raise
        # Committed. From here on nothing may fail.
        for done in (*enqueues, *calls):
            done.done = True
        dealt, settled = self._deal(workers, everyone, claimed)
        dealer.adrift -= settled
        for worker in workers:
            if not worker.parked:
                worker.done = True
        self._written = None
        self._on_commit([outcome.run.id for outcome in outcomes])
        database.bound_wal()
        return dealt

    def _accept_alike(self, writer: apsw.Connection, now: float, batch: list[Posted]) -> bool:
        """True if the batch was accepted as one INSERT: new jobs with the same options."""
        first = batch[0]
        if not isinstance(first, Enqueue) or not self._is_mere_insert(first.options):
            return False
        options = first.options
        alike = [one for one in batch if isinstance(one, Enqueue) and one.options == options]
        if len(alike) < len(batch):
            return False
        ids = [id_ for ticket in alike for id_ in ticket.ids]
        items = [item for ticket in alike for item in ticket.items]
        moves.insert(writer, now, options, ids, items)
        for ticket in alike:
            ticket.at = now
            ticket.done = True
        self._on_commit(())
        self._database.bound_wal()
        return True

    def _is_mere_insert(self, options: Options) -> bool:
        """True if jobs can be accepted by an INSERT that is a transaction by itself.

        Beside threads that keep the GIL each statement costs a wait for it, so BEGIN and COMMIT
        would treble the time.
        """
        return options.max_queued is None and not self._dealer.is_idle(options.queue)

    def _claim(self, writer: apsw.Connection, now: float, seekers: Seekers) -> list[Run]:
        """Start jobs for those that seek some."""
        if not self.claiming:
            return []
        claim = self._aside.claim if seekers.queue in self._aside else moves.claim
        count = len(seekers.asking) + len(seekers.parked)
        return claim(writer, now, seekers.queue, count, seekers.owner, seekers.tasks)

    def _hand_in(
        self, writer: apsw.Connection, now: float, handing: list[Exchange], outcomes: list[Outcome]
    ) -> None:
        """Store the outcomes of a batch."""
        if moves.finish(writer, now, handing[0].owner, outcomes) != len(outcomes):
            if len(handing) > 1:
                raise _OneRefused
            handing[0].refused = True

    def _deal(
        self, workers: list[Exchange], everyone: list[Seekers], claimed: list[list[Run]]
    ) -> tuple[int, bool]:
        """Hand out the runs that were started; how many, and whether each run has its worker."""
        settled = True
        for worker in workers:
            had, outcome = worker.claimed, worker.outcome
            if had is not None and (outcome is None or had is not outcome.run):
                settled = False  # a run that it never got: the batch that dealt it was torn
            worker.claimed = None
        for seekers, runs in zip(everyone, claimed, strict=True):
            settled = self._dealer.deal(seekers, runs) and settled
        return sum(map(len, claimed)), settled


class _OneRefused(errors.QueueError):
    """Several outcomes in one statement, and one of them was not accepted: which one shows
    when each is written by itself."""


def _sorted(batch: list[Posted]) -> _Sorted:
    tickets = enqueues, calls, workers, handing, outcomes = _Sorted([], [], [], [], [])
    for ticket in batch:
        if isinstance(ticket, Exchange):
            workers.append(ticket)
            if ticket.outcome is not None:
                handing.append(ticket)
                outcomes.append(ticket.outcome)
        elif isinstance(ticket, Enqueue):
            enqueues.append(ticket)
        else:
            calls.append(ticket)
    return tickets


def _stirred(enqueues: list[Enqueue], handing: list[Exchange]) -> set[str]:
    """The queues for whose parked workers the batch may bring something new."""
    stirred = {worker.queue for worker in handing}
    if enqueues:
        stirred.update(ticket.options.queue for ticket in enqueues)
    return stirred
