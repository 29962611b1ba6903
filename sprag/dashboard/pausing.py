"""Pause queues, and resume them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from ..queue import ConfigurationError
from ..queue.operators import QueueFile
from .answers import Json, refusal
from .bodies import body_of, json_in
from .filters import Mistake

_MOST_BYTES: Final = 4096


class Pausing:
    """The endpoints `pause` and `resume`.

    The body is {"queue": "mail", "reason": "deploying"}, of `resume` without the reason. The
    answer is {"ok": true}; that of `resume` has "resumed", which is false if the queue was not
    paused.
    """

    def __init__(self, file: Callable[[], QueueFile], changed: Callable[[], None]) -> None:
        """`changed` is called after a change."""
        self._file = file
        self._changed = changed

    async def pause(self, request: Request) -> Response:
        return await self._answer(request, {"queue", "reason"}, _pause)

    async def resume(self, request: Request) -> Response:
        return await self._answer(request, {"queue"}, _resume)

    async def _answer(
        self, request: Request, known: set[str], act: Callable[[QueueFile, Any], dict[str, Any]]
    ) -> Response:
        body = await body_of(request, "application/json", _MOST_BYTES)
        if isinstance(body, Response):
            return body
        try:
            said = json_in(body)
            if not isinstance(said, dict) or not {"queue"} <= said.keys() <= known:
                raise Mistake(f"expected an object with {' and '.join(sorted(known))}")
            told = await run_in_threadpool(act, self._file(), said)
        except (Mistake, ConfigurationError) as error:
            return refusal(request, 400, "invalid_payload", str(error))
        await run_in_threadpool(self._changed)
        return Json(told)


def _pause(file: QueueFile, said: Any) -> dict[str, Any]:
    file.pause(said["queue"], said.get("reason"))
    return {"ok": True}


def _resume(file: QueueFile, said: Any) -> dict[str, Any]:
    return {"ok": True, "resumed": file.resume(said["queue"])}
