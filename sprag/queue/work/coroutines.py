"""The event loop that runs a queue's `async def` handlers.

To stop a handler, its task is cancelled, as users of asyncio expect: its `finally` blocks run, and
the job is cancelled, goes back to the queue, or has failed for its time limit. A handler that
swallows the cancellation is cancelled again.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from typing import Any, Final

from ..errors import JobCancelled, JobReleased, JobTimeout
from ..threads.logs import Log
from . import running
from .running import RunningJob

log: Final = Log("sprag.queue")

# How long a handler that was cancelled may clean up before its task is cancelled again, in case it
# has swallowed that.
_AGAIN_SECONDS: Final = 2.0
# The loop's timers may come a little too early.
_PAST_SECONDS: Final = 0.001


class HandlerLoop:
    """One loop in a thread of its own. A worker hands it a handler and waits for its end, so a job
    goes the same way as with a plain function."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._closing = False
        self._calls: set[Future[tuple[Any, BaseException | None]]] = set()
        self._thread = threading.Thread(target=self._run, name="sprag-handlers", daemon=True)
        self._thread.start()

    def call(self, handler: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        """The result of `await handler(*args)`; raises what it raises. It is cancelled with the job
        that runs in this thread, if there is one."""
        job = running.current()
        future = asyncio.run_coroutine_threadsafe(self._settled(handler, args, job), self._loop)
        self._calls.add(future)
        try:
            result, error = future.result()
        except CancelledError as error:
            # The handler had not begun, did not end, or cancelled its own task on its way out.
            raise self._why(job, error) from None
        finally:
            self._calls.discard(future)
        if error is not None:
            raise error
        return result

    def close(self) -> None:
        """Cancel what still runs, and end."""
        self._closing = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=1.0)

    async def _settled(
        self, handler: Callable[..., Awaitable[Any]], args: tuple[Any, ...], job: RunningJob | None
    ) -> tuple[Any, BaseException | None]:
        loop, task = self._loop, asyncio.current_task()
        again: asyncio.TimerHandle | None = None
        limit: asyncio.TimerHandle | None = None

        def ask() -> None:
            nonlocal again
            if again is not None:
                again.cancel()
            if task is not None and not task.done():
                task.cancel()
                again = loop.call_later(_AGAIN_SECONDS, ask)

        def interrupted() -> None:
            with suppress(RuntimeError):  # the loop is closed, so the handler has ended
                loop.call_soon_threadsafe(ask)

        try:
            if job is not None:
                job.interrupted, job.asyncio_task = interrupted, task
                job.check_cancelled()  # while it waited for the loop, and could not be asked
                if job.deadline is not None:
                    limit = loop.call_later(-job.late_by + _PAST_SECONDS, ask)
            return await handler(*args), None
        except asyncio.CancelledError as error:
            return None, self._why(job, error)
        except BaseException as error:  # noqa: BLE001  # handed on to the worker
            # SystemExit would end the loop, and with it every other job on it.
            return None, error
        finally:
            for timer in (again, limit):
                if timer is not None:
                    timer.cancel()

    def _why(self, job: RunningJob | None, error: BaseException) -> BaseException:
        """What a cancelled task means for its job: nobody but us may have asked for it."""
        if job is None:
            return error
        if job.cancel_requested:
            return JobCancelled(job.id)
        if job.release_requested or self._closing:
            return JobReleased(job.id)
        if job.time_limit is not None and job.late_by >= 0:
            # With the lines of the handler that took too long.
            return JobTimeout(job.id, job.time_limit).with_traceback(error.__traceback__)
        return error

    def _ran_to_its_stop(self) -> bool:
        try:
            self._loop.run_forever()
        except (SystemExit, KeyboardInterrupt) as error:
            # asyncio lets these out of tasks that a handler made. Code that awaits such a task gets
            # them too, and the other jobs go on.
            log.warning("a task of a handler asked to exit; the event loop goes on", exc_info=error)
            return False
        if not self._closing:
            log.warning("a handler stopped the event loop of its queue; it goes on")
        return self._closing

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        running.loop_threads.add(threading.get_ident())
        try:
            while not self._ran_to_its_stop():
                pass
            pending = asyncio.all_tasks(self._loop)
            for task in pending:
                task.cancel()
            self._loop.run_until_complete(asyncio.wait(pending, timeout=0.5)) if pending else None
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        finally:
            for call in self._calls.copy():
                call.cancel()  # otherwise its worker would wait forever
            self._loop.close()
            running.loop_threads.discard(threading.get_ident())
