"""The store: all that the rest of the queue asks of a file, in one place.

Plain values go in and come out, and what goes wrong is one of `errors`: nobody outside needs to
know SQLite. Writes are tickets of the group commit, and return after COMMIT.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import apsw

from .. import errors
from ..file.database import Database
from ..job import Job
from ..states import TERMINAL, Status, sources
from . import moves
from .audit import Audit
from .batch import Batches, Posted
from .commit import GroupCommit
from .dealing import Dealer
from .jobs import Jobs
from .journal import Journal
from .moves import Cancelled
from .ownership import Owners
from .pauses import Pauses
from .pruning import Pruning
from .records import found
from .rows import Row
from .schedules import Schedules
from .search import Search
from .statistics import Statistics
from .tickets import Call, Change, Enqueue, Exchange, Options, Outcome, Report, Run

R = TypeVar("R")


class Store:
    """Reads and writes of one `Database`.

    `clock` gives unix seconds. `on_commit(ids)` is called by the committing
    thread after each COMMIT that may concern subscribers, with the ids of the
    jobs that came to an end in it as far as they are known; it must not block.
    """

    def __init__(
        self,
        database: Database,
        clock: Callable[[], float] = time.time,
        on_commit: Callable[[Sequence[str]], None] = lambda ids: None,
    ) -> None:
        self.database = database
        self._on_commit = on_commit
        self._dealer = Dealer()
        self._batches = Batches(database, self._dealer, clock, on_commit)
        self._commits: GroupCommit[Posted] = GroupCommit(self._batches.write)
        self.jobs = Jobs(database)
        self.journal = Journal(database, self._write)
        self.owners = Owners(database, self._write, on_commit)
        self.pauses = Pauses(database, self._write)
        self.schedules = Schedules(database, self._write)
        self.search = Search(database)
        self.statistics = Statistics(database)
        self.pruning = Pruning(database, self._write)
        self.audit = Audit(database)

    @property
    def clock(self) -> Callable[[], float]:
        """What gives the time of every move."""
        return self._batches.clock

    @clock.setter
    def clock(self, clock: Callable[[], float]) -> None:
        self._batches.clock = clock

    def _write(self, run: Change[R], *, lasting: bool = False) -> R:
        ticket = Call(run, lasting=lasting)
        self._commits.submit(ticket)
        result: R = ticket.result
        return result

    def abandon(self) -> None:
        """In a forked child: the file is the parent's, and every call raises QueueClosed."""
        self.database.abandon()
        self._commits.forked()
        self._dealer.forked()

    # ------------------------------------------------------------ for callers

    def enqueue(self, options: Options, ids: Sequence[str], items: Sequence[str]) -> float:
        """Accept jobs, all or none; their time of creation. Ids that exist are passed over.
        Raises QueueFull, or a DatabaseError; WriteUnknown names the ids."""
        if not ids:
            return self.clock()
        try:
            at = self._commits.alone(self._batches.accept, options, ids, items)
            if at is None:
                self._commits.submit(ticket := Enqueue(options, ids, items))
                at = ticket.at
        except errors.WriteUnknown as error:
            raise errors.WriteUnknown(str(error), error.path, tuple(ids)) from error
        return at

    def enqueue_each(
        self,
        options: Options,
        ids: Sequence[str],
        items: Sequence[str],
        keys: Sequence[str | None],
    ) -> list[Job]:
        """Accept jobs, each with a unique key or None, or find those that have these ids already or
        hold these keys: `existing` is True for them. All or none; the jobs as of that commit.

        A job that exists needs no room. Raises QueueFull, or a DatabaseError; WriteUnknown names
        the ids.
        """
        try:
            accepted = self._write(
                lambda connection, now: moves.accept_each(
                    connection, now, options, ids, items, keys
                )
            )
        except errors.WriteUnknown as error:
            raise errors.WriteUnknown(str(error), error.path, tuple(ids)) from error
        if isinstance(accepted, errors.QueueFull):
            raise accepted
        return [
            self._found(row, id_, None)._replace(existing=existing)
            for (row, existing), id_ in zip(accepted, ids, strict=True)
        ]

    def cancel(self, id_: str, queue: str | None = None) -> tuple[Cancelled | None, Job]:
        """Cancel a queued job or ask a running one to; what was moved, if anything was, and the
        job as of that commit. Raises JobNotFound."""
        moved, row = self._moved(moves.cancel, id_, queue)
        if moved is not None and moved.status in TERMINAL:
            self._on_commit((id_,))
        return moved, self._found(row, id_, queue)

    def requeue(self, id_: str, queue: str | None = None) -> Job:
        """Queue a failed or cancelled job again; the job as of that commit. Raises JobNotFound or
        IllegalMove."""
        moved, row = self._moved(moves.requeue, id_, queue)
        job = self._found(row, id_, queue)
        if not moved:
            raise errors.IllegalMove(id_, job.status, "requeue", sources("requeue"))
        return job

    def run_now(self, id_: str, queue: str | None = None) -> bool:
        """Let a waiting job be claimed before it is due; whether it waited. A job that is ready
        already stays as it is. Raises JobNotFound, or IllegalMove for a job that is not queued."""
        moved, row = self._moved(moves.run_now, id_, queue)
        if moved:
            return True
        status = self._found(row, id_, queue).status
        if status != "queued":
            raise errors.IllegalMove(id_, status, "start", ("queued",))
        return False

    def cancel_many(self, ids: Sequence[str]) -> list[tuple[str, Status]]:
        """Like `cancel`, but all in one commit; (id, status) of those that could be cancelled."""

        def run(connection: apsw.Connection, now: float) -> list[tuple[str, Status]]:
            asked = ((id_, moves.cancel(connection, now, id_)) for id_ in ids)
            return [(id_, moved.status) for id_, moved in asked if moved is not None]

        moved = self._write(run)
        self._on_commit([id_ for id_, status in moved if status in TERMINAL])
        return moved

    def requeue_many(self, ids: Sequence[str]) -> list[str]:
        """Like `requeue`, but all in one commit; the ids of those that were failed or cancelled."""
        return self._write(
            lambda connection, now: [id_ for id_ in ids if moves.requeue(connection, now, id_)]
        )

    def run_now_many(self, ids: Sequence[str]) -> list[str]:
        """Like `run_now`, but all in one commit; the ids of those that waited."""
        return self._write(
            lambda connection, now: [id_ for id_ in ids if moves.run_now(connection, now, id_)]
        )

    # ------------------------------------------------------------ for workers

    def exchange(self, ticket: Exchange, outcome: Outcome | None) -> Run | None:
        """Store `outcome`, if there is one, and return the next run of the ticket's queue.

        Sleeps until there is one; None when the worker is dismissed. Whether the
        outcome was refused, because the run was no longer the owner's, is in
        `ticket.refused`.
        """
        ticket.outcome = outcome
        ticket.refused = False
        ticket.error = None
        self._commits.submit(ticket)
        return ticket.claimed

    def dismiss(self, workers: Iterable[Exchange]) -> None:
        """Give these workers no more runs, and wake those that wait for one."""
        self._dealer.dismiss(workers)

    def nudge(self, workers: Iterable[Exchange]) -> None:
        """Let those of the workers that have no run look for some: other processes may have left
        any. Also those that have just found none, and are not parked yet."""
        if any(worker.claimed is None for worker in workers):
            self._write(lambda _connection, _now: None)

    def finish(self, owner: int, outcomes: Sequence[Outcome]) -> int:
        """Store outcomes outside of any worker's exchange; how many were accepted."""
        return self._write(lambda connection, now: moves.finish(connection, now, owner, outcomes))

    def conclude(self, owner: int, outcome: Outcome) -> tuple[bool, Job | None]:
        """Like `finish`, for one outcome; whether it was accepted, and the job as of that commit,
        None if it cannot be read."""
        id_ = outcome.run.id
        taken, row = self._write(
            lambda connection, now: (
                moves.finish(connection, now, owner, [outcome]),
                moves.job_row(connection, id_),
            )
        )
        self._on_commit((id_,))
        try:
            return taken == 1, self._found(row, id_, None)
        except (errors.JobNotFound, errors.DatabaseCorrupt):
            return taken == 1, None

    # ------------------------------------------------------------ for those who keep watch

    @property
    def claiming(self) -> bool:
        """False while nothing may be started, because the disk has no room for its outcome."""
        return self._batches.claiming

    @claiming.setter
    def claiming(self, claiming: bool) -> None:
        self._batches.claiming = claiming

    def promote(self, queue: str) -> int:
        """Let waiting jobs whose time has come be claimed; how many were, at most 1,000."""
        return self._write(lambda connection, now: moves.promote(connection, now, queue))

    def report(self, owner: int, reports: Sequence[Report]) -> None:
        """Store progress of running jobs."""
        if reports:
            self._write(lambda connection, _now: moves.report(connection, owner, reports))

    def overdue(self, owner: int, runs: Sequence[tuple[int, int]]) -> None:
        """Take note that these runs (key, starts) of the owner go on past their time limits."""
        self._write(lambda connection, _now: moves.overdue(connection, owner, runs))

    def give_back(self, owner: int, workers: Iterable[Exchange]) -> list[str]:
        """If a batch was torn, release the jobs of the owner that none of its workers has; their
        ids."""
        dealer = self._dealer
        if dealer.adrift <= self.database.turn.locked():
            return []

        def run(connection: apsw.Connection, now: float) -> list[str]:
            # Inside the turn to write: no claim is under way whose worker does not have it yet.
            # If this batch fails, the count is put back.
            dealer.adrift = 1
            dealer.deal_again(workers)
            runs = [worker.claimed for worker in workers if worker.claimed is not None]
            # The run, not the job: the outcome of an earlier one may have been stored, unknown to
            # its worker, and the next been started, in one commit.
            return moves.give_back(connection, now, owner, [(run.key, run.starts) for run in runs])

        return self._write(run)

    # ------------------------------------------------------------ one job

    def _moved(
        self,
        move: Callable[[apsw.Connection, float, str, str | None], R],
        id_: str,
        queue: str | None,
    ) -> tuple[R, Row | UnicodeError | None]:
        """Make one move; what it returned, and the job as of that commit."""
        return self._write(
            lambda connection, now: (
                move(connection, now, id_, queue),
                moves.job_row(connection, id_),
            )
        )

    def _found(self, row: Row | UnicodeError | None, id_: str, queue: str | None) -> Job:
        return found(row, id_, queue, self.database.path)
