"""The event loop on which a queue's `async def` handlers run."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError, Future
from typing import Any, Final

from . import running
from .errors import JobReleased
from .logs import Log
from .running import RunningJob, running_job

log: Final = Log("sprag.queue")


class HandlerLoop:
    """One loop in a thread of its own. Workers hand it a coroutine and wait for the end of it,
    so that a job's way is the same as with a plain function."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._closing = False
        self._calls: set[Future[tuple[Any, BaseException | None]]] = set()
        self._thread = threading.Thread(target=self._run, name="sprag-handlers", daemon=True)
        self._thread.start()

    def call(self, handler: Callable[[Any], Awaitable[Any]], item: Any) -> Any:
        """The result of `await handler(item)`; raises what it raises."""
        job = running_job()
        future = asyncio.run_coroutine_threadsafe(self._settled(handler, item, job), self._loop)
        self._calls.add(future)
        try:
            result, error = future.result()
        except CancelledError:
            if self._closing:  # before the handler had begun, or it would not end
                raise JobReleased(job.id) from None
            raise
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
        self, handler: Callable[[Any], Awaitable[Any]], item: Any, job: RunningJob
    ) -> tuple[Any, BaseException | None]:
        running.enter(job)
        task = asyncio.current_task()
        released = False

        def release() -> None:
            # A handler that awaits cannot look; one that is asked to cancel is left to.
            nonlocal released
            if job.release_requested and task is not None:
                released = True  # whatever it is asked on its way out
                self._loop.call_soon_threadsafe(task.cancel)

        job.interrupted = release
        if job.release_requested:
            # While it waited for the loop, where nobody could have told it.
            return None, JobReleased(job.id)
        try:
            return await handler(item), None
        except asyncio.CancelledError as error:
            return None, JobReleased(job.id) if released or self._closing else error
        except BaseException as error:  # noqa: BLE001  # handed on to where handlers are executed
            # SystemExit would end the loop, and with it every other job on it.
            return None, error

    def _ran_to_its_stop(self) -> bool:
        try:
            self._loop.run_forever()
        except (SystemExit, KeyboardInterrupt) as error:
            # asyncio lets these out of a handler's own tasks; whoever awaits such a task has them
            # too, and the other jobs go on.
            log.warning("a task of a handler asked to exit; the event loop goes on", exc_info=error)
            return False
        if not self._closing:
            log.warning("a handler stopped the event loop of its queue; it goes on")
        return self._closing

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
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
                call.cancel()  # or its worker would wait for ever
            self._loop.close()
