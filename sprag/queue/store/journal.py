"""The journal: with its reading half, `reader`, the only module that runs SQL on jobs.

Writes are tickets of the group commit: outcomes, new jobs, other changes and
claims of one batch share a transaction, in that order, so that a job finished
and the next one started are one commit, and so are a job enqueued and started.
Every method that writes returns after COMMIT.
"""

from __future__ import annotations

import functools
import json
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import apsw

from .. import errors
from ..file.database import Database
from ..job import Job, JobError
from ..sql.statements import STATEMENTS
from ..states import STATUSES, TERMINAL, Event, Status, sources
from ..threads.inside import here
from ..threads.logs import Log
from .commit import GroupCommit
from .reader import Reader, Row, row_of, rows_of
from .search import Search
from .statistics import Statistics
from .tickets import Call, Enqueue, Exchange, Options, Outcome, Report, Run

log: Final = Log("sprag.queue")

R = TypeVar("R")

_to_json: Final = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode

# A page that was away for longer has been loaded anew.
_NOTICE_SECONDS: Final = 3600.0

_Any = Enqueue | Call | Exchange


class Journal(Reader):
    """Writes and reads of one `Database`.

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
        super().__init__(database)
        self.search = Search(database)
        self.statistics = Statistics(database)
        self.clock = clock
        self._on_commit = on_commit
        self._commits: GroupCommit[_Any] = GroupCommit(self._write)
        # Workers with nothing to do, by queue; the last to come is the first to go, its
        # stack is warm. The mutex is for dismiss(), which does not hold the turn to write.
        self._parked: dict[str, dict[Exchange, None]] = {}
        self._parking = threading.Lock()
        # The keys of jobs that cannot be started, of the queues that have any.
        self._aside: dict[str, set[int]] = {}
        self.claiming = True
        """False while nothing may be started, because the disk has no room for its outcome."""
        self._spoilt = False
        self._dealing = False
        """True while runs are started and handed out; and after it where that was torn."""
        self.adrift = False
        """True when runs may have been started that no worker has: `give_back` finds them."""

    # ------------------------------------------------------------ writes

    def enqueue(self, options: Options, ids: Sequence[str], items: Sequence[str]) -> float:
        """Accept jobs, all or none; their time of creation. Ids that exist are passed over.

        Raises QueueFull, or a DatabaseError; WriteUnknown names the ids.
        """
        if not ids:
            return self.clock()
        ticket = Enqueue(options, [id_ + item for id_, item in zip(ids, items, strict=True)])
        try:
            self._commits.submit(ticket)
        except errors.WriteUnknown as error:
            raise errors.WriteUnknown(str(error), error.path, tuple(ids)) from error
        return ticket.at

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

    def dismiss(self, tickets: Iterable[Exchange]) -> None:
        """Give these workers no more runs, and wake those that wait for one."""
        with here.inside, self._parking:
            for ticket in tickets:
                ticket.stopping = True
                if ticket.parked:
                    self._parked.get(ticket.queue, {}).pop(ticket, None)
                    ticket.wake_parked()

    def nudge(self, workers: Iterable[Exchange]) -> None:
        """Let those of the workers that have no run look for some: other processes may have left
        any. Also those that have just found none, and are not parked yet."""
        if any(worker.claimed is None for worker in workers):
            self._call(lambda _connection, _now: None)

    def finish(self, owner: int, outcomes: Sequence[Outcome]) -> int:
        """Store outcomes outside of any worker's exchange; how many were accepted."""
        return self._call(lambda connection, now: self._finish(connection, now, owner, outcomes))

    def enqueue_once(self, options: Options, id_: str, item: str) -> Job:
        """Accept a job, or find the one that has this id already; the job as of that commit.

        A job that exists needs no room. Raises QueueFull, or a DatabaseError; WriteUnknown names
        the id.
        """

        def run(connection: apsw.Connection, now: float) -> Row | errors.QueueFull | None:
            there = row_of(connection, "job", id=id_)
            if there is not None:
                return there
            full = _overflow(connection, options, 1)
            if full is not None:
                return full
            _insert(connection, now, options, [id_ + item])
            return row_of(connection, "job", id=id_)

        try:
            found = self._call(run)
        except errors.WriteUnknown as error:
            raise errors.WriteUnknown(str(error), error.path, (id_,)) from error
        if isinstance(found, errors.QueueFull):
            raise found
        return self._found(found, id_, None)

    def cancel(self, id_: str, queue: str | None = None) -> tuple[Row | None, Job]:
        """Cancel a queued job or ask a running one to; (key, starts, status, owner) of what was
        moved, if anything was, and the job as of that commit. Raises JobNotFound."""

        def run(connection: apsw.Connection, now: float) -> tuple[Row | None, Row | None]:
            moved = row_of(connection, "cancel", id=id_, queue=queue, now=now)
            return moved, _job_row(connection, id_, queue)

        moved, row = self._call(run)
        if moved is not None and moved[2] in TERMINAL:
            self._on_commit((id_,))
        return moved, self._found(row, id_, queue)

    def requeue(self, id_: str, queue: str | None = None) -> Job:
        """Queue a failed or cancelled job again; the job as of that commit. Raises JobNotFound or
        IllegalMove."""

        def run(connection: apsw.Connection, now: float) -> tuple[Row | None, Row | None]:
            moved = row_of(connection, "requeue", id=id_, queue=queue, now=now)
            return moved, _job_row(connection, id_, queue)

        moved, row = self._call(run)
        job = self._found(row, id_, queue)
        if moved is None:
            raise errors.IllegalMove(id_, job.status, "requeue", sources("requeue"))
        return job

    def cancel_many(self, ids: Sequence[str]) -> list[tuple[str, Status]]:
        """Like `cancel`, but all in one commit; (id, status) of those that could be cancelled."""

        def run(connection: apsw.Connection, now: float) -> list[tuple[str, Status]]:
            rows = (row_of(connection, "cancel", id=id_, queue=None, now=now) for id_ in ids)
            return [(id_, row[2]) for id_, row in zip(ids, rows, strict=True) if row is not None]

        moved = self._call(run)
        self._on_commit([id_ for id_, status in moved if status in TERMINAL])
        return moved

    def requeue_many(self, ids: Sequence[str]) -> list[str]:
        """Like `requeue`, but all in one commit; the ids of those that were failed or cancelled."""

        def run(connection: apsw.Connection, now: float) -> list[str]:
            rows = (row_of(connection, "requeue", id=id_, queue=None, now=now) for id_ in ids)
            return [id_ for id_, row in zip(ids, rows, strict=True) if row is not None]

        return self._call(run)

    def promote(self, queue: str) -> int:
        """Let waiting jobs whose time has come be claimed; how many were, at most 1,000."""

        def run(connection: apsw.Connection, now: float) -> int:
            rows_of(connection, "promote", queue=queue, now=now)
            return connection.changes()

        return self._call(run)

    def run_now(self, id_: str, queue: str | None = None) -> bool:
        """Let a waiting job be claimed before it is due; whether it waited. A job that is ready
        already stays as it is. Raises JobNotFound, or IllegalMove for a job that is not queued."""
        if self.run_now_many([id_], queue):
            return True
        status = self.job(id_, queue).status
        if status != "queued":
            raise errors.IllegalMove(id_, status, "start", ("queued",))
        return False

    def run_now_many(self, ids: Sequence[str], queue: str | None = None) -> list[str]:
        """Like `run_now`, but all in one commit; the ids of those that waited."""

        def run(connection: apsw.Connection, now: float) -> list[str]:
            rows = (row_of(connection, "run_now", id=id_, queue=queue, now=now) for id_ in ids)
            return [id_ for id_, row in zip(ids, rows, strict=True) if row is not None]

        return self._call(run)

    def report(self, owner: int, reports: Sequence[Report]) -> None:
        """Store progress of running jobs."""
        if reports:
            self._call(lambda connection, _now: self._report(connection, owner, reports))

    def notify(self, audience: str, signal: str, data: str) -> None:
        """Send an audience something that is not a move of a job; `data` is JSON."""

        def run(connection: apsw.Connection, now: float) -> None:
            rows_of(connection, "add_notice", audience=audience, signal=signal, data=data, now=now)
            rows_of(connection, "drop_notices", before=now - _NOTICE_SECONDS)

        self._call(run)

    def add_owner(self, token: str, pid: int, host: str) -> int:
        """Make an owner known; its id."""
        row = self._call(
            lambda connection, now: row_of(
                connection, "add_owner", token=token, pid=pid, host=host, now=now
            )
        )
        if row is None:
            path = self.database.path
            raise errors.DatabaseRefused(f"{path} takes no owner: a trigger is in the way", path)
        return int(row[0])

    def employ(self, owner: int, workers: Mapping[str, int]) -> None:
        """Make known how many workers an owner has for each queue."""
        text = _to_json(workers)
        self._call(lambda connection, _now: row_of(connection, "employ", owner=owner, workers=text))

    def recover(self, owner: int) -> list[tuple[str, str, Event]]:
        """Take all jobs from a dead owner, and forget it for good; (id, queue, event) of each."""
        message = "the process running this job died %d times; max_crashes is %d"

        error = JobError("ProcessDied", message).to_json()

        def run(connection: apsw.Connection, now: float) -> list[Row]:
            bindings: dict[str, Any] = {"owner": owner, "now": now, "error": error}
            try:
                with _savepoint(connection):
                    moved = rows_of(connection, "recover", key=None, **bindings)
            except _ENVIRONMENT:
                raise
            except (apsw.Error, UnicodeError):
                moved = _recover_singly(connection, bindings)
            rows_of(connection, "remove_owner", owner=owner)
            return moved

        # The owner's lock file is removed next: without it a row that came back would be one of
        # which nobody could tell whether it is dead.
        rows = self._call(run, lasting=True)
        moved = [(id_, queue, event) for id_, queue, event in rows]
        self._on_commit([id_ for id_, _queue, event in moved if event != "recover"])
        return moved

    def give_back(self, owner: int, workers: Iterable[Exchange]) -> list[str]:
        """If starts are `adrift`, release the jobs of the owner that none of its workers has;
        their ids."""
        if not self.adrift and not (self._dealing and not self.database.turn.locked()):
            return []

        def run(connection: apsw.Connection, now: float) -> list[str]:
            # Inside the turn to write: no claim is under way whose worker does not have it yet.
            self.adrift = False
            self._deal_again(workers)
            runs = [worker.claimed for worker in workers if worker.claimed is not None]
            # The run, not the job: the outcome of an earlier one may have been stored, unknown to
            # its worker, and the next been started, in one commit.
            return _give_back(connection, now, owner, [(run.key, run.starts) for run in runs])

        try:
            return self._call(run)
        except BaseException:
            self.adrift = True
            raise

    def leave(self, owner: int) -> list[str]:
        """The last act of an owner: release what it has, and be forgotten for good."""

        def run(connection: apsw.Connection, now: float) -> list[str]:
            released = _give_back(connection, now, owner, [])
            rows_of(connection, "remove_owner", owner=owner)
            return released

        return self._call(run, lasting=True)  # as in `recover`

    def prune(
        self, queue: str, before: float | None, keep: int | None, most: float = math.inf
    ) -> int:
        """Delete the finished jobs of a queue that ended before `before`, and all but the
        newest `keep`, until `most` are gone; how many. In transactions of some hundred rows, so
        nobody waits long."""
        boundary = 0
        if keep is not None:
            with here.inside, self.database.reading() as reader:
                row = row_of(reader, "prune_boundary", queue=queue, keep=keep)
                boundary = row[0] if row is not None else 0
        limits = {"before": -1.0 if before is None else before, "boundary": boundary}
        pruned = 0
        for status in STATUSES:
            after = 0
            while status in TERMINAL and pruned < most:
                bindings = {"queue": queue, "status": status, "after": after, **limits}
                keys: list[Row] = self._call(functools.partial(_prune, bindings))
                if not keys:
                    break
                pruned += len(keys)
                (after,) = max(keys)
        return pruned

    def delete_many(self, ids: Sequence[str]) -> list[str]:
        """Delete finished jobs in one commit; the ids of those that were. The newest job of the
        file and the one that moved last stay, as with `prune`."""

        def run(connection: apsw.Connection, _now: float) -> list[str]:
            rows = (row_of(connection, "delete", id=id_) for id_ in ids)
            return [id_ for id_, row in zip(ids, rows, strict=True) if row is not None]

        return self._call(run)

    # ------------------------------------------------------------ one batch

    def _call(self, run: Callable[[apsw.Connection, float], R], *, lasting: bool = False) -> R:
        ticket = Call(run, lasting=lasting)
        self._commits.submit(ticket)
        result: R = ticket.result
        return result

    def _write(self, batch: list[_Any]) -> None:
        """Write a batch in one transaction; where that fails for a reason of one ticket's own,
        each in one of its own."""
        try:
            with self.database.turn:
                self.database.check_open()
                # Should an exception ever have torn a transaction, nothing may be added to it.
                self.database.rollback()
                if self._spoilt:
                    self.database.renew()
                    self._spoilt = False
                self._transact(batch)
        except _Unclaimable as error:
            log.error("jobs of %s cannot be started as they come, so each is tried by itself: %s",
                      error.queue, error.__cause__)  # fmt: skip
            self._aside[error.queue] = set()
            self._write(batch)
        except _ENVIRONMENT as error:
            self._spoilt = self._spoilt or isinstance(error, _SPOILS)
            self._fail(batch, error)
        except (apsw.Error, errors.QueueError, UnicodeError) as error:
            if len(batch) == 1:
                self._fail(batch, error)
            else:
                for ticket in batch:
                    self._write([ticket])

    def _fail(self, batch: list[_Any], error: Exception) -> None:
        told = error
        if isinstance(error, apsw.Error | UnicodeError):
            told = self.database.write_error(error)
        if told is not error:
            told.__cause__ = error
        for ticket in batch:
            ticket.error = told
            ticket.done = True

    def _transact(self, batch: list[_Any]) -> None:
        writer = self.database.writer
        now = self.clock()
        if len(batch) == 1 and self._accept_alone(writer, now, batch[0]):
            return
        enqueues = [ticket for ticket in batch if isinstance(ticket, Enqueue)]
        calls = [ticket for ticket in batch if isinstance(ticket, Call)]
        workers = [ticket for ticket in batch if isinstance(ticket, Exchange)]
        seekers = self._seekers(workers, enqueues, anything=bool(calls))
        # What an application's signal handler raises may end this anywhere in the main thread, and
        # once more what would put things right: the flag is then found up.
        self.adrift = self.adrift or self._dealing
        self._dealing = True
        committing = False
        try:
            self.database.begin(lasting=any(call.lasting for call in calls))
            finished = self._hand_in(writer, now, workers)
            self._accept(writer, now, enqueues)
            for ticket in calls:
                ticket.result = ticket.run(writer, now)
            claims = [
                (waiting, self._claim(writer, now, queue, waiting) if self.claiming else [])
                for queue, waiting in seekers.items()
            ]
            committing = True
            self.database.commit()
        except BaseException as error:
            self.database.rollback()
            # A disk that fails in a commit does not say whether it took place, and with it the
            # claims; nor does what a signal handler raises: `give_back` finds what was started.
            known = isinstance(error, apsw.Error) and not isinstance(error, _UNKNOWN)
            self._dealing = committing and not known
            raise
        # Committed. From here on nothing may fail.
        for done in (*enqueues, *calls):
            done.done = True
        for worker in workers:
            if worker.untold():
                self.adrift = True
            worker.claimed = None
        for waiting, runs in claims:
            # One that `give_back` has woken in this batch may have posted its outcome by now.
            self._deal([w for w in waiting if w.parked or w in workers], runs)
        self._dealing = False
        self._commits.expect(sum(len(runs) for _waiting, runs in claims))
        for worker in workers:
            if not worker.parked:
                worker.done = True
        self._on_commit(finished)
        self.database.bound_wal()

    def _accept_alone(self, writer: apsw.Connection, now: float, ticket: _Any) -> bool:
        """True if the ticket is a mere INSERT, which is a transaction by itself and done now.

        Beside threads that keep the GIL each statement costs a wait for it, so BEGIN and COMMIT
        would treble the time.
        """
        if not isinstance(ticket, Enqueue) or ticket.options.max_queued is not None:
            return False
        if self._parked.get(ticket.options.queue):
            return False
        _insert(writer, now, ticket.options, ticket.rows)
        ticket.at = now
        ticket.done = True
        self._on_commit(())
        self.database.bound_wal()
        return True

    def _seekers(
        self, workers: list[Exchange], enqueues: list[Enqueue], *, anything: bool
    ) -> dict[str, list[Exchange]]:
        """Who wants a run, by queue: the workers of this batch, then those parked where the
        batch may bring something new."""
        seekers: dict[str, list[Exchange]] = {}
        for worker in workers:
            if not worker.stopping:
                seekers.setdefault(worker.queue, []).append(worker)
        stirred = {ticket.options.queue for ticket in enqueues}
        stirred.update(worker.queue for worker in workers if worker.outcome is not None)
        with self._parking:
            for queue in self._parked if anything else stirred:
                if parked := [worker for worker in self._parked.get(queue, ()) if worker.parked]:
                    seekers.setdefault(queue, []).extend(reversed(parked))
        return seekers

    def _hand_in(self, writer: apsw.Connection, now: float, workers: list[Exchange]) -> list[str]:
        """Store the outcomes of a batch; the ids of the jobs they are of."""
        handing = [worker for worker in workers if worker.outcome is not None]
        if not handing:
            return []
        owner = handing[0].owner
        outcomes = [worker.outcome for worker in handing if worker.outcome is not None]
        if self._finish(writer, now, owner, outcomes) != len(outcomes):
            if len(handing) > 1:
                raise _OneRefused
            handing[0].refused = True
        return [outcome.run.id for outcome in outcomes]

    @staticmethod
    def _finish(
        connection: apsw.Connection, now: float, owner: int, outcomes: Sequence[Outcome]
    ) -> int:
        reports = [outcome.report for outcome in outcomes if outcome.report is not None]
        if reports:
            Journal._report(connection, owner, reports)
        rows = [
            (run.key, run.starts, event, result, error and error.to_json(), due_at)
            for run, event, result, error, due_at, _report in outcomes
        ]
        bindings: dict[str, Any] = {"outcomes": _to_json(rows), "owner": owner, "now": now}
        connection.execute(STATEMENTS["finish"], bindings)
        return connection.changes()

    @staticmethod
    def _report(connection: apsw.Connection, owner: int, reports: Sequence[Report]) -> None:
        connection.execute(STATEMENTS["next_tick"], {"count": len(reports)})
        connection.execute(STATEMENTS["report"], {"reports": _to_json(reports), "owner": owner})

    @staticmethod
    def _accept(writer: apsw.Connection, now: float, enqueues: list[Enqueue]) -> None:
        """Insert new jobs, those with the same options in one statement."""
        groups: dict[Options, list[str]] = {}
        for ticket in enqueues:
            ticket.at = now
            if ticket.options.max_queued is None:
                groups.setdefault(ticket.options, []).extend(ticket.rows)
                continue
            # Set either way: this may be the second attempt at a batch.
            ticket.error = _overflow(writer, ticket.options, len(ticket.rows))
            if ticket.error is None:
                # At once, so that the next one's count includes it.
                _insert(writer, now, ticket.options, ticket.rows)
        for options, rows in groups.items():
            _insert(writer, now, options, rows)

    def _claim(
        self, writer: apsw.Connection, now: float, queue: str, seekers: list[Exchange]
    ) -> list[Run]:
        bindings: dict[str, Any] = {"owner": seekers[0].owner, "now": now}
        if queue in self._aside:
            return self._claim_singly(writer, queue, len(seekers), bindings)
        bindings |= {"queue": queue, "count": len(seekers)}
        try:
            return list(map(Run._make, writer.execute(STATEMENTS["claim"], bindings)))
        except _ENVIRONMENT:
            raise
        except (apsw.Error, UnicodeError) as error:
            raise _Unclaimable(queue) from error

    def _claim_singly(
        self, writer: apsw.Connection, queue: str, count: int, bindings: dict[str, Any]
    ) -> list[Run]:
        """Like a claim, but past the jobs that cannot be started: what another program has made
        of one must not keep the others."""
        aside = self._aside[queue]
        runs: list[Run] = []
        while True:
            rows = rows_of(writer, "ready", queue=queue, count=count + len(aside))
            keys = [key for (key,) in rows]
            fresh = [key for key in keys if key not in aside][: count - len(runs)]
            if not fresh:
                break
            for key in fresh:
                try:
                    with _savepoint(writer):
                        row = row_of(writer, "start", key=key, **bindings)
                except _ENVIRONMENT:
                    raise
                except (apsw.Error, UnicodeError) as error:
                    aside.add(key)
                    log.error("the job with the key %d of %s cannot be started and is passed over "
                              "(`sprag check` may say more): %s", key, queue, error)  # fmt: skip
                else:
                    runs += [] if row is None else [Run._make(row)]
        aside.intersection_update(keys)
        if not aside:
            del self._aside[queue]
        return runs

    def _deal(self, seekers: list[Exchange], runs: list[Run]) -> None:
        """Hand out what was claimed, wake who was parked, park who got nothing."""
        remaining = iter(runs)
        with self._parking:
            for seeker in seekers:
                if seeker.done:
                    continue  # dismissed while this was being written; its thread has gone
                parked = self._parked.setdefault(seeker.queue, {})
                run = next(remaining, None)
                if run is not None:
                    # Not to be found any more before it is woken: it could be dealt another.
                    parked.pop(seeker, None)
                    seeker.claimed = run
                    if seeker.parked:
                        seeker.wake_parked()
                elif not seeker.parked and not seeker.stopping:
                    seeker.parked = True
                    parked[seeker] = None
        if next(remaining, None) is not None:
            self.adrift = True

    def _deal_again(self, workers: Iterable[Exchange]) -> None:
        """Put right what an exception in the midst of `_deal` or `dismiss` has left."""
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


class _Unclaimable(Exception):
    """Some job of a queue cannot be started, and for no reason of the disk's."""

    def __init__(self, queue: str) -> None:
        super().__init__(queue)
        self.queue = queue


class _OneRefused(errors.QueueError):
    """Several outcomes in one statement, and one of them was not accepted: which one shows
    when each is written by itself."""


# What is wrong with the disk or the lock is so for every ticket; trying each one again would
# only multiply the wait.
_ENVIRONMENT: Final = (
    apsw.BusyError,
    apsw.LockedError,
    apsw.ProtocolError,
    apsw.FullError,
    apsw.NoMemError,
    apsw.ReadOnlyError,
    apsw.PermissionsError,
    apsw.CorruptError,
    apsw.NotADBError,
    apsw.IOError,
    apsw.CantOpenError,
    errors.QueueClosed,
)


# After these the writer may be one that cannot write any more.
_SPOILS: Final = (apsw.IOError, apsw.ReadOnlyError, apsw.CantOpenError)

# What says of a COMMIT neither that it took place nor that it did not.
_UNKNOWN: Final = (apsw.IOError, apsw.NoMemError)


def _job_row(connection: apsw.Connection, id_: str, queue: str | None) -> Row | None:
    """The job as it is inside of this transaction. What another program has made of its texts
    must not undo the move: then the row is one that is refused as damaged, after the commit."""
    try:
        return row_of(connection, "job", id=id_)
    except UnicodeError:
        return (None, id_, queue, *[None] * 19)


def _overflow(
    connection: apsw.Connection, options: Options, offered: int
) -> errors.QueueFull | None:
    most = options.max_queued
    if most is None:
        return None
    ((queued,),) = rows_of(connection, "queued", queue=options.queue, most=most)
    return errors.QueueFull(options.queue, offered, most) if queued + offered > most else None


def _insert(connection: apsw.Connection, now: float, options: Options, rows: Sequence[str]) -> None:
    due_at = options.due_at
    waiting = due_at is not None and due_at > now
    bindings: dict[str, Any] = {
        "jobs": apsw.carray(tuple(rows)),
        "queue": options.queue,
        "priority": options.priority,
        "max_attempts": options.max_attempts,
        "max_crashes": options.max_crashes,
        "backoff": options.backoff,
        "label": options.label,
        "audience": options.audience,
        "waiting": int(waiting),
        "due_at": due_at if waiting else now,
        "now": now,
    }
    connection.execute(STATEMENTS["enqueue"], bindings)


def _prune(bindings: dict[str, Any], connection: apsw.Connection, _now: float) -> list[Row]:
    return rows_of(connection, "prune", **bindings)


def _recover_singly(connection: apsw.Connection, bindings: dict[str, Any]) -> list[Row]:
    """Recover what can be; a job that another program has spoilt stays, without an owner."""
    moved: list[Row] = []
    for (key,) in rows_of(connection, "held_by", owner=bindings["owner"]):
        try:
            with _savepoint(connection):
                moved += rows_of(connection, "recover", key=key, **bindings)
        except _ENVIRONMENT:
            raise
        except (apsw.Error, UnicodeError) as error:
            log.error("the job with the key %d cannot be recovered and is left as it is (`sprag "
                      "check` may say more): %s", key, error)  # fmt: skip
    return moved


@contextmanager
def _savepoint(connection: apsw.Connection) -> Iterator[None]:
    """What fails in the block is undone, and nothing else of the transaction."""
    rows_of(connection, "savepoint")
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            rows_of(connection, "undo")
            rows_of(connection, "keep")
        raise
    rows_of(connection, "keep")


def _give_back(
    connection: apsw.Connection, now: float, owner: int, kept: Sequence[tuple[int, int]]
) -> list[str]:
    rows = rows_of(connection, "give_back", owner=owner, now=now, kept=json.dumps(kept))
    return [id_ for (id_,) in rows]
