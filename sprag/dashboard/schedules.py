"""Run schedules now, pause them, resume them, and forget those that no process has."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal, get_args

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from ..queue import ConfigurationError, JobNotFound
from ..queue.operators import QueueFile, plan_shape
from .answers import Json, refusal
from .bodies import body_of, json_in
from .filters import Mistake

ScheduleVerb = Literal["run", "pause", "resume", "remove"]
SCHEDULE_VERBS: Final[tuple[ScheduleVerb, ...]] = get_args(ScheduleVerb)

_MOST_BYTES: Final = 4096


class Schedules:
    """The endpoints `schedules/run`, `pause`, `resume` and `remove`.

    The body is {"queue": "reports", "name": "daily"}, of `pause` also with "reason". The answer
    is {"ok": true}, that of `run` with the "id" of the job; or 409 if nothing was to be done.
    """

    def __init__(self, file: Callable[[], QueueFile], changed: Callable[[], None]) -> None:
        """`changed` is called after a change."""
        self._file = file
        self._changed = changed

    def endpoint(self, verb: ScheduleVerb) -> Callable[[Request], Awaitable[Response]]:
        """Return the endpoint for this verb."""

        async def act(request: Request) -> Response:
            body = await body_of(request, "application/json", _MOST_BYTES)
            if isinstance(body, Response):
                return body
            try:
                queue, name, reason = _wish(body, verb)
                told = await run_in_threadpool(_fulfil, self._file(), verb, queue, name, reason)
            except (Mistake, ConfigurationError) as error:
                return refusal(request, 400, "invalid_payload", str(error))
            if told is None:
                return refusal(request, 409, "refused", f"Nothing was changed: {_REFUSED[verb]}.")
            await run_in_threadpool(self._changed)
            return Json({"ok": True, **told})

        return act


_REFUSED: Final[dict[ScheduleVerb, str]] = {
    "run": "there is no such schedule",
    "pause": "there is no such schedule",
    "resume": "it was not paused",
    "remove": "a running process has it, or it is gone",
}


def schedules_of(file: QueueFile) -> list[dict[str, Any]]:
    """Return all schedules, each with the status of its last job."""
    return [
        {**plan_shape(plan), "last_status": _status(file, plan.last_job)}
        for plan in file.schedules()
    ]


def _status(file: QueueFile, id_: str | None) -> str | None:
    try:
        return None if id_ is None else file.job(id_).status
    except JobNotFound:
        return None  # pruned


def _wish(body: bytes, verb: ScheduleVerb) -> tuple[str, str, str | None]:
    said = json_in(body)
    known = {"queue", "name", *(["reason"] if verb == "pause" else [])}
    if not isinstance(said, dict) or not {"queue", "name"} <= said.keys() <= known:
        raise Mistake(f"expected an object with {', '.join(sorted(known))}")
    queue, name = said["queue"], said["name"]
    if not isinstance(queue, str) or not isinstance(name, str):
        raise Mistake("queue, name: expected text")
    return _utf8(queue), _utf8(name), said.get("reason")


def _utf8(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _fulfil(
    file: QueueFile, verb: ScheduleVerb, queue: str, name: str, reason: str | None
) -> dict[str, Any] | None:
    """What to tell; None if nothing was changed."""
    match verb:
        case "run":
            id_ = file.run_schedule(queue, name)
            return None if id_ is None else {"id": id_}
        case "pause":
            return {} if file.pause_schedule(queue, name, reason) else None
        case "resume":
            return {} if file.resume_schedule(queue, name) else None
        case "remove":
            return {} if file.remove_schedule(queue, name) else None
