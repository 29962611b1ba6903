"""The queue's calls for an event loop: none of them blocks it.

Loaded at the first such call, because asyncio is a third of the time of an import.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final, TypeVar

from . import errors
from .durations import Duration
from .job import Job
from .lifecycle import Lifecycle
from .threads.inside import here, refuse_reentry
from .waiting import Waiting
from .work import deadlock

R = TypeVar("R")

_READERS: Final = 4
_WRITERS: Final = 16
"""How many writes may run at once: these share commits, and more of them wait for a thread."""


def calls_of(life: Lifecycle) -> Calls:
    """The queue's threads, made at the first awaited call and after each stop."""
    calls = life.calls
    if not isinstance(calls, Calls):
        calls = life.calls = Calls(life.settings.name)
    return calls


class Calls:
    """The threads in which a queue's awaited calls are made, until the queue stops.

    Writes and reads have threads of their own: writes may wait for another process's lock, for
    which a read need not wait.
    """

    def __init__(self, queue: str) -> None:
        self._queue = queue
        self._writers = ThreadPoolExecutor(_WRITERS, "sprag-writer")
        self._readers = ThreadPoolExecutor(_READERS, "sprag-reader")

    async def write(self, call: Callable[..., R], *args: object) -> R:
        """Make the call and return its result. If the task is cancelled, a call that has begun goes
        on."""
        return await self._made(self._writers, call, args)

    async def read(self, call: Callable[..., R], *args: object) -> R:
        """Like `write`, but for a call that only reads."""
        return await self._made(self._readers, call, args)

    async def _made(
        self, threads: ThreadPoolExecutor, call: Callable[..., R], args: tuple[object, ...]
    ) -> R:
        loop = asyncio.get_running_loop()
        # As in asyncio.to_thread, so that a log handler there can know whose call it is.
        context = contextvars.copy_context()
        refuse_reentry()
        with here.inside:
            try:
                made = loop.run_in_executor(threads, context.run, _awaitable, call, *args)
            except RuntimeError as error:  # closed just now, or Python is exiting
                raise errors.QueueClosed(f"queue {self._queue!r} was stopped") from error
        return await made

    def close(self) -> None:
        """Begin no more calls. Those that have begun end by themselves."""
        for threads in (self._writers, self._readers):
            threads.shutdown(wait=False)


def _awaitable(call: Callable[..., R], *args: object) -> R:
    """The call's result. A StopIteration becomes a RuntimeError, as in a generator: no future takes
    one, so a task that awaits the call would wait forever."""
    try:
        return call(*args)
    except StopIteration as error:
        raise RuntimeError("the call raised StopIteration") from error


class _LoopBell:
    """Wakes a task of this event loop, from any thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._rung = asyncio.Event()

    def set(self) -> None:
        with suppress(RuntimeError):  # the loop was closed, so nothing waits any more
            self._loop.call_soon_threadsafe(self._rung.set)

    @property
    def is_left(self) -> bool:
        return self._loop.is_closed()

    def clear(self) -> None:
        self._rung.clear()

    async def wait(self, seconds: float) -> None:
        """Return when it is set, or after this many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._rung.wait()


async def wait(life: Lifecycle, job_id: str, timeout: Duration | None) -> Job:
    """Like `waiting.wait`, but it blocks neither the event loop nor a thread."""
    if timeout is None:
        deadlock.refuse_itself(life.engine, job_id, asyncio.current_task())
    calls, bell = calls_of(life), _LoopBell()
    # Not in this thread: it may have to open the file.
    begun = await calls.read(Waiting, life, job_id, timeout, bell)
    with begun as waiting:
        while True:
            bell.clear()
            job = await calls.read(waiting.look)
            if job is not None:
                return job
            await bell.wait(waiting.left())
