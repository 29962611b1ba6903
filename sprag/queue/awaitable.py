"""The operations of a queue for event loops.

Each makes the plain call, also if a subclass overrides it, in a thread of the queue. If the task is
cancelled meanwhile, a call that has begun goes on to its end.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterable
from typing import Any, Unpack

from .declared import Item, Result
from .durations import Duration
from .job import Job
from .operations import QueueOperations
from .options import JobOptions


class AwaitableOperations(QueueOperations[Item, Result]):
    """The calls of a `QueueService` that await instead of blocking."""

    async def aenqueue(
        self, item: Item, *, job_id: str | None = None, **options: Unpack[JobOptions]
    ) -> Job:
        """Like `enqueue`, but awaitable: it does not block asyncio's event loop.

        The item must not change until it returns. If the task is cancelled or
        timed out meanwhile, the job may be stored nevertheless: with a `job_id`
        the call can be repeated safely.
        """
        call = functools.partial(self.enqueue, item, job_id=job_id, **options)
        made: Job = await for_loops().calls_of(self._sprag_life).write(call)
        return made

    async def aenqueue_many(
        self, items: Iterable[Item], **options: Unpack[JobOptions]
    ) -> list[Job]:
        """Like `enqueue_many`, but awaitable. `items` is read in another thread."""
        call = functools.partial(self.enqueue_many, items, **options)
        made: list[Job] = await for_loops().calls_of(self._sprag_life).write(call)
        return made

    async def aget(self, job_id: str) -> Job:
        """Like `get`, but awaitable."""
        job: Job = await for_loops().calls_of(self._sprag_life).read(self.get, job_id)
        return job

    async def acancel(self, job_id: str) -> Job:
        """Like `cancel`, but awaitable."""
        job: Job = await for_loops().calls_of(self._sprag_life).write(self.cancel, job_id)
        return job

    async def await_job(self, job_id: str, timeout: Duration | None = None) -> Job:
        """Like `wait`, but awaitable: thousands of tasks may wait, and none of them holds a thread.

        If the task is cancelled, the job goes on.
        """
        job: Job = await for_loops().wait(self._sprag_life, job_id, timeout)
        return job


def for_loops() -> Any:
    """The module `asynchronous`. Code that awaits has loaded asyncio; other code does without."""
    return importlib.import_module(".asynchronous", __package__)
