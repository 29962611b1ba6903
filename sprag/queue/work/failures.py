"""The calls of a queue's `on_failure`: for jobs that have failed, once that is committed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextvars import Context
from typing import Final

from ..errors import told
from ..job import Job, JobError
from ..threads.logs import Log, write_here
from ..threads.starting import start

log: Final = Log("sprag.queue")

Hook = Callable[[Job, JobError], object]
"""A queue's `on_failure`."""

_LONG_SECONDS: Final = 60.0


class _Call:
    """One call that has begun."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.begun = time.monotonic()
        self.is_said = False


class Failures:
    """Calls `hook(job, error)` for the failed jobs of one queue. What it raises costs a log line,
    and nothing else."""

    def __init__(self, queue: str, hook: Hook) -> None:
        self.queue = queue
        self.threads: set[threading.Thread] = set()
        """Those that call it for jobs of processes that died."""
        self._hook = hook
        self._calls: set[_Call] = set()

    def tell(self, job: Job) -> None:
        """Call the hook in this thread, in a context of its own, as a handler."""
        call = _Call(job)
        self._calls.add(call)
        try:
            Context().run(self._hook, job, job.error or JobError("", ""))
        except BaseException as error:  # other people's code
            log.error("on_failure of queue %r raised %s for job %s, which stays failed: %s",
                      self.queue, type(error).__name__, job.id, told(error),
                      exc_info=error)  # fmt: skip
        finally:
            self._calls.discard(call)

    def tell_elsewhere(self, jobs: Sequence[Job]) -> None:
        """Call the hook for each of these in a thread of its own: the caller has no time."""

        def run() -> None:
            me = threading.current_thread()
            self.threads.add(me)
            try:
                write_here()
                for job in jobs:
                    self.tell(job)
            finally:
                self.threads.discard(me)

        try:
            start(run, f"sprag-{self.queue}-failures", daemon=True)
        except RuntimeError as error:
            log.error("on_failure of queue %r is not called for %s: %s",
                      self.queue, ", ".join(job.id for job in jobs), error)  # fmt: skip

    def look(self) -> None:
        """Say of each call, once, that it has gone on for long."""
        for call in tuple(self._calls):
            took = time.monotonic() - call.begun
            if took >= _LONG_SECONDS and not call.is_said:
                call.is_said = True
                log.warning("on_failure of queue %r has been running for %.0f s for job %s, and "
                            "keeps a worker from other jobs", self.queue, took,
                            call.job.id)  # fmt: skip

    def say_left(self) -> None:
        """Say which calls have not ended, at the end of a stop."""
        for call in tuple(self._calls):
            log.warning("queue %r stops while its on_failure still runs for job %s",
                        self.queue, call.job.id)  # fmt: skip
