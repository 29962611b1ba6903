"""Deferred actions: calls that go on after the page has had its answer."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, Final

import anyio.to_thread
from anyio import CapacityLimiter

from ..queue import DatabaseError, QueueClosed
from ..queue.operators import Log, QueueFile
from .answers import to_json
from .errors import ActionError

log: Final = Log("sprag.web", here_always=True)

FINISHED: Final = "sprag:action.finished"
_THREADS: Final = 64
_MOST: Final = 10_000


class Deferred:
    """The deferred calls that are under way in one event loop."""

    def __init__(self, file: Callable[[], QueueFile]) -> None:
        self._file = file
        self._limiter = CapacityLimiter(_THREADS)
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def start(
        self, action: str, audience: str, call: Callable[[CapacityLimiter], Awaitable[Any]]
    ) -> str:
        """Run `call`, report its end to `audience`, and return the task's id. Raises ActionError
        if the application is stopping, or if too many are running."""
        if self._closed or len(self._tasks) >= _MOST:
            raise ActionError(
                "Temporarily unavailable. Try again soon", status=503, type="unavailable"
            )
        id_ = secrets.token_hex(16)
        task = asyncio.create_task(self._run(id_, action, audience, call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return id_

    async def finish(self, seconds: float) -> None:
        """Start no more calls, wait `seconds` for those that run, then cancel the rest."""
        self._closed = True
        if not self._tasks:
            return
        _, left = await asyncio.wait(tuple(self._tasks), timeout=seconds)
        for task in left:
            log.warning("a deferred action did not end in time and is cancelled")
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=1.0)

    async def _run(
        self,
        id_: str,
        action: str,
        audience: str,
        call: Callable[[CapacityLimiter], Awaitable[Any]],
    ) -> None:
        said: dict[str, Any] = {"task_id": id_, "action": action, "ok": False, "value": None}
        try:
            said |= {"ok": True, "value": await call(self._limiter), "error": None}
            text = to_json(said)
        except asyncio.CancelledError:
            text = _failed(said, "stopped", "The server stopped before the action had ended")
        except ActionError as error:
            text = _failed(said, error.type, error.message)
        except (Exception, SystemExit):  # the author's code; sys.exit() would end the server
            log.exception("the deferred action %r failed", action)
            text = _failed(said, "internal", "Something went wrong on the server")
        try:
            await anyio.to_thread.run_sync(self._file().notify, audience, FINISHED, text.decode())
        except (DatabaseError, QueueClosed):
            log.exception("could not report how the deferred action %r ended", action)


def _failed(said: dict[str, Any], type_: str, message: str) -> bytes:
    error = {"type": type_, "message": message}
    return to_json({**said, "ok": False, "value": None, "error": error})
