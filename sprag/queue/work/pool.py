"""The worker threads of one queue: how many, from when, until when.

A worker hands in the outcome of one job and takes the next, in one commit. The
pool knows threads; what becomes of a job is decided in `execution`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Final

from ..errors import DatabaseError, DatabaseFull, JobReleased, QueueClosed, told
from ..schedules import Schedule
from ..store.schedules import Standing
from ..store.tickets import Exchange, Outcome, Run
from ..threads.elsewhere import PIECE_SECONDS
from ..threads.inside import here
from ..threads.logs import Log, write_here
from . import running
from .engine import Engine
from .execution import Handler, execute, lesser
from .failures import Failures
from .running import RunningJob

log: Final = Log("sprag.queue")

# After the grace: how long a handler that looks has to give way before its job is taken from it.
_YIELD_SECONDS: Final = 0.5
_RETRY_SECONDS: Final = (0.05, 5.0)


class WorkerPool:
    """`count` threads that run the jobs of `queue`. Made for one start and one stop.

    `handlers` are by task, that of None for jobs that belong to none. `tasks` has their names as
    the claim takes them.
    """

    def __init__(
        self,
        engine: Engine,
        queue: str,
        count: int,
        handlers: Mapping[str | None, Handler],
        tasks: str | None,
        max_result_bytes: int,
        failures: Failures | None = None,
        schedules: Sequence[tuple[Schedule, Standing]] = (),
        max_queued: int | None = None,
    ) -> None:
        self._engine = engine
        self._queue = queue
        self._handlers = handlers
        self._max_result_bytes = max_result_bytes
        self._failures = failures
        engine.crew.hear(failures)  # before jobs of dead processes are recovered
        try:
            owner = engine.ownership.take()
        except BaseException:
            engine.crew.discharge((), failures)
            raise
        self._tickets = [Exchange(queue, owner, tasks) for _ in range(count)]
        self._jobs: dict[Exchange, RunningJob] = {}
        self._graces: dict[object, float] = {}
        engine.admit(self._tickets, queue)
        self._threads = [
            threading.Thread(
                target=self._work, args=(ticket,), name=f"sprag-{queue}-{n}", daemon=True
            )
            for n, ticket in enumerate(self._tickets)
        ]
        try:
            for thread in self._threads:
                thread.start()
        except BaseException:
            # The system has no more threads: nobody would ever stop those that it had.
            self._threads = [thread for thread in self._threads if thread.ident is not None]
            self.stop(0.0)
            raise
        engine.timetable.take(self, queue, schedules, max_queued)

    def runs_here(self) -> bool:
        """True if the caller is part of a handler, or of what else a worker has called."""
        job = running.current()
        if job is not None and job in tuple(self._jobs.values()):
            return True
        me = threading.current_thread()
        return me in self._threads or (self._failures is not None and me in self._failures.threads)

    def hurry(self, grace_seconds: float, who: object) -> None:
        """End the grace of the stop that is under way, or of the next, after so many seconds, if
        it would last longer. `who` is whatever tells apart those who ask, until they
        `forget` it."""
        self._graces[who] = time.monotonic() + grace_seconds

    def forget(self, who: object) -> None:
        """Take back what `who` asked for by `hurry`."""
        self._graces.pop(who, None)

    def stop(self, grace_seconds: float) -> None:
        """Start no more jobs, wait for those that run, then put the rest back in the queue: their
        handlers may run on, and what they hand in is dropped."""
        # No claims first, so that nothing starts while we wait; then the wait; then the
        # flags, which handlers that look turn into a release of their own; then, for those
        # that never look, the release from here, so that another process may have the jobs.
        begun = time.monotonic()
        self._engine.timetable.drop(self)
        self.hurry(grace_seconds, self)
        self._engine.store.dismiss(self._tickets)
        self._spend_grace()
        for job in tuple(self._jobs.values()):
            job.interrupt(JobReleased)
        spent = time.monotonic() - begun
        self._join(_YIELD_SECONDS)  # no time at all where no handler runs
        left = {t: run for t in self._tickets if (run := t.claimed) is not None}
        if left:
            self._release(left, spent)
        self._engine.crew.discharge(self._tickets, self._failures)
        if self._failures is not None:
            self._failures.say_left()

    def _release(self, left: dict[Exchange, Run], spent: float) -> None:
        named = ", ".join(run.id for run in left.values())
        log.warning("queue %s stops after %g s of grace; these jobs are still running and go "
                    "back to the queue: %s", self._queue, round(spent, 1), named)  # fmt: skip
        jobs = [self._jobs.get(ticket) for ticket in left]
        outcomes = [
            Outcome(run, "release", report=None if job is None else job.report())
            for run, job in zip(left.values(), jobs, strict=True)
        ]
        try:
            self._engine.store.finish(self._tickets[0].owner, outcomes)
        except DatabaseError:
            log.exception("they could not be released; that happens when this process ends")

    def _spend_grace(self) -> None:
        for thread in self._all_threads():
            while thread.is_alive():
                left = min(tuple(self._graces.values())) - time.monotonic()
                if left <= 0:
                    return
                thread.join(min(left, PIECE_SECONDS))

    def _join(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        for thread in self._all_threads():
            thread.join(max(deadline - time.monotonic(), 0.0))

    def _all_threads(self) -> list[threading.Thread]:
        return self._threads + ([] if self._failures is None else list(self._failures.threads))

    def _work(self, ticket: Exchange) -> None:
        write_here()
        engine = self._engine
        outcome: Outcome | None = None
        try:
            while (run := self._exchange(ticket, outcome)) is not None:
                handler = self._handlers[run.task]  # no other task is claimed
                limit = handler.policy.time_limit if run.time_limit is None else run.time_limit
                job = RunningJob(run, self._queue, engine.crew.dirty.add, limit)
                if limit is not None:
                    engine.crew.limited.add(job)
                # Not by job: one that was taken from its worker may have been given to another
                # of this pool, and both are to be told to stop.
                engine.crew.running[run.key, run.starts] = self._jobs[ticket] = job
                try:
                    if ticket.stopping:
                        # Dealt at the moment of dismissal: no handler begins any more.
                        outcome = Outcome(run, "release")
                    else:
                        outcome = execute(job, handler, self._max_result_bytes)
                        if outcome.event == "release" and outcome.error is None:
                            # The process may be ending: no more.
                            engine.store.dismiss(self._tickets)
                finally:
                    del self._jobs[ticket]
                    del engine.crew.running[run.key, run.starts]
                    if limit is not None:
                        engine.crew.limited.discard(job)
        except QueueClosed:
            # The file was closed under a job that would not end; it was released before.
            log.debug("a worker of %s ends with its file", self._queue)

    def _exchange(self, ticket: Exchange, outcome: Outcome | None) -> Run | None:
        """Like `Store.exchange`, but patient: while the file cannot be written, it tries again, so
        that no outcome is lost and no worker dies. Raises only QueueClosed."""
        engine = self._engine
        wait, most = _RETRY_SECONDS
        tries = 0
        hopeless = False
        while True:
            try:
                if self._failures is not None and outcome is not None and outcome.error is not None:
                    self._conclude(ticket, outcome, self._failures, first=not tries)
                    outcome = None
                run = engine.store.exchange(ticket, outcome)
            except QueueClosed:
                raise
            except Exception as error:  # a MemoryError, too, is over some time
                if isinstance(error, DatabaseFull) and engine.space.spend():
                    continue
                if type(error) is DatabaseError and outcome is not None:
                    # Not the disk but this very outcome: repeating it would not help.
                    log.exception("the outcome of job %s cannot be stored", outcome.run.id)
                    outcome, hopeless = lesser(outcome, error, hopeless)
                    if outcome is None:
                        ticket.claimed = None
                        continue
                elif tries % 20 == 0:
                    log.error("a worker of %s cannot write, and goes on trying: %s",
                              self._queue, told(error))  # fmt: skip
                tries += 1
                with here.inside:
                    closing = engine.closing.wait(wait)
                if closing:
                    raise QueueClosed(f"{engine.path} is closed") from error
                wait = min(wait * 2, most)
            else:
                if ticket.refused and outcome is not None and not tries:
                    _say_refused(outcome)
                return run

    def _conclude(
        self, ticket: Exchange, outcome: Outcome, failures: Failures, *, first: bool
    ) -> None:
        """Store what may be a failure by itself: an exchange lasts until there is another job, and
        `on_failure` is to be called now."""
        stored, job = self._engine.store.conclude(ticket.owner, outcome)
        ticket.claimed = None
        if not first and job is not None:
            # A COMMIT that was reported as failed may have taken place: then it is there already.
            was = (job.starts, job.error) == (outcome.run.starts, outcome.error)
            stored = stored or was
        if not stored and first:
            _say_refused(outcome)
        elif stored and job is None:
            log.error("on_failure is not called for job %s of %s, which cannot be read",
                      outcome.run.id, self._queue)  # fmt: skip
        elif stored and job is not None and job.status == "failed":
            failures.tell(job)


def _say_refused(outcome: Outcome) -> None:
    log.warning("job %s was taken from this process before it ended; its outcome (%s) is dropped",
                outcome.run.id, outcome.event)  # fmt: skip
