"""Handlers that wait for other jobs: their waits end with their own jobs, and never hang.

A handler that waits keeps its worker. If every worker of a queue waits for jobs that only these
workers could start, none of them goes on. So the wait that closes such a circle is refused. If that
is not certain, because another process may start the jobs or a wait has a time-out, the circle is
only logged.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

from ..errors import JobNotFound, WaitInsideHandler
from ..threads.logs import Log
from . import running
from .attendance import is_run_elsewhere
from .engine import Engine
from .running import RunningJob

log: Final = Log("sprag.queue")

LOOK_SECONDS: Final = 0.2
"""How late a wait inside a handler may notice that its own job is to give way."""
_CHECK_SECONDS: Final = 5.0

_waits: Final[dict[int, HandlerWait]] = {}
"""The waits by number, which is the order in which they began."""
_numbers: Final = itertools.count()


class HandlerWait:
    """One wait of a handler for a job of `queue`. `sure`: the handler's own thread waits, and the
    wait has no end of its own."""

    def __init__(
        self, job: RunningJob, engine: Engine, queue: str, awaited: str, *, sure: bool
    ) -> None:
        self.job = job
        self.engine = engine
        self.queue = queue
        self.awaited = awaited
        self.sure = sure
        self.number = next(_numbers)
        self._check_at = 0.0
        self._logged = False

    def begin(self) -> None:
        """Take note that the wait begins."""
        _waits[self.number] = self

    def end(self) -> None:
        """Take note that the wait is over."""
        _waits.pop(self.number, None)

    def look(self) -> None:
        """Raise JobCancelled or JobReleased if the handler's own job is to give way, and
        WaitInsideHandler if this wait could never end."""
        self.job.check_cancelled()
        now = time.monotonic()
        if now >= self._check_at:
            first, self._check_at = not self._check_at, now + _CHECK_SECONDS
            self._check(first)

    def _check(self, first: bool) -> None:
        circle = self._closed(sure=True) if self.sure else []
        if circle and _circle(_anywhere, sure=True) == circle:
            raise WaitInsideHandler(
                f"job {self.job.id!r} would wait for job {self.awaited!r} forever: "
                f"{_told(circle)}. No worker is left to run what they wait for: raise "
                "worker_count, or enqueue such jobs in a queue of their own",
                self.awaited,
            )
        if not first and not self._logged and (circle := self._closed(sure=False)):
            self._logged = True
            log.warning("handlers wait for each other, and go on only if a wait times out or a "
                        "worker of another process runs what they wait for: %s",
                        _told(circle))  # fmt: skip

    def _closed(self, *, sure: bool) -> list[HandlerWait]:
        """The circle that this wait closes, if it does. Only the newest wait is told: if it gives
        way, all others go on. The questions that cost reads come last."""
        if _circle(_maybe, sure=sure)[-1:] != [self]:
            return []
        circle = _circle(_here, sure=sure)
        return circle if circle[-1:] == [self] else []


def refuse_in_loop(awaited: str) -> None:
    """Raise WaitInsideHandler in the thread of an event loop that runs handlers."""
    if threading.get_ident() in running.loop_threads:
        raise WaitInsideHandler(
            "wait() would block the event loop that all async handlers of the queue share: "
            f"expected `await queue.await_job({awaited!r})`",
            awaited,
        )


def refuse_itself(engine: Engine | None, awaited: str, task: object) -> None:
    """Raise WaitInsideHandler if this task is that of an async handler and awaits its own job."""
    job = running.current()
    if job is None or job.id != awaited or job.asyncio_task is None or job.asyncio_task is not task:
        return
    if engine is not None and engine.crew.running.get((job.run.key, job.run.starts)) is job:
        raise WaitInsideHandler(
            f"job {awaited!r} would wait for itself forever: its handler awaits the end of its "
            "own job",
            awaited,
        )


def of_handler(engine: Engine, queue: str, awaited: str, *, endless: bool) -> HandlerWait | None:
    """The wait that a handler is about to begin; None if the caller is not a handler. `endless`:
    only the job's end ends it."""
    job = running.current()
    if job is None:
        return None
    # In another thread that the handler has started, or in another task of its event loop, the
    # handler may not wait for this wait.
    sure = endless and job.thread == threading.get_ident()
    return HandlerWait(job, engine, queue, awaited, sure=sure)


def _told(circle: list[HandlerWait]) -> str:
    shown = [f"job {wait.job.id} of {wait.job.queue} waits for {wait.awaited}" for wait in circle]
    return "; ".join(shown[:10]) + (f"; and {len(shown) - 10} more" if len(shown) > 10 else "")


# ---------------------------------------------------------------- circles

Needs = Callable[["HandlerWait"], int]
"""How many workers must be free of their waits before a queued job can start; 0 if it is not
queued, or if somebody else may start it."""


def _circle(needs: Needs, *, sure: bool) -> list[HandlerWait]:
    """The waits that end only if another one of them does, in the order in which they began.
    `sure`: only among waits that certainly keep their handlers from going on."""
    waits = sorted(_waits.values(), key=lambda wait: wait.number)
    left = [wait for wait in waits if wait.sure or not sure]
    waits_of = Counter(wait.job for wait in left)
    jobs_of = {wait.engine: set(wait.engine.crew.running.values()) for wait in left}
    running_in = {engine: {job.id for job in jobs} for engine, jobs in jobs_of.items()}
    workers = {wait: needs(wait) for wait in left if wait.awaited not in running_in[wait.engine]}
    while True:
        held = Counter(wait.job for wait in left)
        stuck = {job for job, count in held.items() if count == waits_of[job]}
        ids = {job.id for job in stuck}
        busy = Counter(
            (engine, job.queue) for engine, jobs in jobs_of.items() for job in stuck & jobs
        )
        kept = [
            wait
            for wait in left
            if wait.job in stuck
            and (
                0 < workers[wait] <= busy[wait.engine, wait.queue]
                if wait in workers
                else wait.awaited in ids
            )
        ]
        if len(kept) == len(left):
            return kept
        left = kept


def _maybe(wait: HandlerWait) -> int:
    return wait.engine.crew.count(wait.queue)


def _here(wait: HandlerWait) -> int:
    try:
        status = wait.engine.store.jobs.get(wait.awaited, wait.queue).status
    except JobNotFound:  # it was pruned, as the wait itself will see
        return 0
    return _maybe(wait) if status == "queued" else 0


def _anywhere(wait: HandlerWait) -> int:
    return 0 if is_run_elsewhere(wait.engine, wait.queue) else _here(wait)


os.register_at_fork(after_in_child=_waits.clear)
