"""Cancel jobs, or run them again: those that are named, or all that match a filter."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final, Literal, NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from ..queue import JobNotFound
from ..queue.engine import Engine
from ..queue.ids import is_job_id
from ..queue.states import Status, sources
from .answers import Json, refusal
from .bodies import body_of
from .filters import Filter, Mistake

Verb = Literal["cancel", "requeue"]

MOST: Final = 1000
"""How many jobs one request moves."""

_MOST_BYTES: Final = 65536
_BATCH: Final = 200  # a commit each, so that workers wait for none of them long
_REFUSED: Final = 20


class Wish(NamedTuple):
    """What a request asks for: `ids`, or all that match."""

    ids: list[str]
    match: Filter | None


class Moves:
    """The endpoints `cancel` and `requeue`.

    The body is {"ids": ["…"]} or {"match": {"states": ["failed"], "queue": null,
    "text": ""}}. The answer: {"ok": true, "done": 2, "refused": [{"id",
    "status", "message"}], "refused_count": 0, "more": false}; `more` says that
    others match beyond the 1,000 that one request may move.
    """

    def __init__(self, engine: Callable[[], Engine]) -> None:
        self._engine = engine

    async def cancel(self, request: Request) -> Response:
        return await self._move(request, "cancel")

    async def requeue(self, request: Request) -> Response:
        return await self._move(request, "requeue")

    async def _move(self, request: Request, verb: Verb) -> Response:
        body = await body_of(request, "application/json", _MOST_BYTES)
        if isinstance(body, Response):
            return body
        try:
            wish = _wish(body, verb)
        except Mistake as error:
            return refusal(request, 400, "invalid_payload", str(error))
        return Json(await run_in_threadpool(_fulfil, self._engine(), verb, wish))


def _wish(body: bytes, verb: Verb) -> Wish:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Mistake("expected JSON") from error
    if not isinstance(said, dict) or said.keys() not in ({"ids"}, {"match"}):
        raise Mistake('expected {"ids": […]} or {"match": {…}}')
    if "ids" in said:
        ids = said["ids"]
        if not isinstance(ids, list) or not 1 <= len(ids) <= MOST or not all(map(is_job_id, ids)):
            raise Mistake(f"ids: expected 1 to {MOST:,} job ids")
        return Wish(list(dict.fromkeys(ids)), None)
    match = said["match"]
    if not isinstance(match, dict) or not match.keys() <= {"states", "queue", "text"}:
        raise Mistake("match: expected an object with states, queue and text")
    states = match.get("states", [])
    if not isinstance(states, list):
        raise Mistake("states: expected a list")
    wanted = Filter.of(states, match.get("queue"), match.get("text", ""))
    movable = tuple(status for status in wanted.statuses if status in sources(verb))
    if not movable:
        raise Mistake(f"states: expected {' or '.join(sources(verb))}, which can be moved so")
    return Wish([], wanted._replace(statuses=movable))


def _fulfil(engine: Engine, verb: Verb, wish: Wish) -> dict[str, Any]:
    ids, more = wish.ids, False
    if wish.match is not None:
        match = wish.match
        found = engine.journal.search(
            match.queues, match.statuses, MOST, None, match.text, seconds=2.0, most=100_000
        )
        ids, more = [job.id for job in found.jobs], found.next is not None
    done = {id_ for batch in _batches(ids) for id_ in _moved(engine, verb, batch)}
    refused = [id_ for id_ in ids if id_ not in done]
    return {
        "ok": True,
        "done": len(done),
        "refused": [_refused(engine, id_) for id_ in refused[:_REFUSED]],
        "refused_count": len(refused),
        "more": more,
    }


def _batches(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), _BATCH):
        yield ids[start : start + _BATCH]


def _moved(engine: Engine, verb: Verb, ids: Sequence[str]) -> list[str]:
    if verb == "requeue":
        return engine.journal.requeue_many(ids)
    if len(ids) == 1:
        # Tells the handler at once, if it runs here, and finds room on a disk that is full.
        before = _status(engine, ids[0])
        with suppress(JobNotFound):
            engine.cancel(ids[0])
        return list(ids) if before in sources("cancel") else []
    return [id_ for id_, _status in engine.journal.cancel_many(ids)]


def _refused(engine: Engine, id_: str) -> dict[str, Any]:
    status = _status(engine, id_)
    told = f"it is {status}" if status is not None else "there is no such job any more"
    return {"id": id_, "status": status, "message": told}


def _status(engine: Engine, id_: str) -> Status | None:
    try:
        return engine.journal.job(id_).status
    except JobNotFound:
        return None
