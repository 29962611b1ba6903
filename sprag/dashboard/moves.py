"""Cancel jobs, run them now or again, delete them: those that are named, or all that match."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from ..queue import JobNotFound, Status
from ..queue.operators import QueueFile, is_job_id, lost_of, sources
from .answers import Json, refusal
from .bodies import body_of, json_in
from .filters import Filter, Mistake
from .verbs import FROM, Verb

MOST: Final = 1000
"""How many jobs one request moves."""

_MOST_BYTES: Final = 65536
_BATCH: Final = 200  # each is one commit, so that workers never wait long
_REFUSED: Final = 20


class Wish(NamedTuple):
    """What a request asks for: `ids`, or all that match."""

    ids: list[str]
    match: Filter | None


class Moves:
    """The endpoints `cancel`, `run-now`, `requeue` and `delete`.

    The body is {"ids": ["…"]} or {"match": {"states": ["failed"], "queue": null,
    "text": "", "by": "ended", "from": 0, "until": 0}}. The answer: {"ok": true,
    "done": 2, "refused": [{"id", "status", "message"}], "refused_count": 0,
    "more": false}; `more` says that others match beyond the 1,000 that one
    request may move.
    """

    def __init__(self, file: Callable[[], QueueFile]) -> None:
        self._file = file

    def endpoint(self, verb: Verb) -> Callable[[Request], Awaitable[Response]]:
        """Return the endpoint for this verb."""

        async def move(request: Request) -> Response:
            body = await body_of(request, "application/json", _MOST_BYTES)
            if isinstance(body, Response):
                return body
            try:
                wish = _wish(body, verb)
            except Mistake as error:
                return refusal(request, 400, "invalid_payload", str(error))
            return Json(await run_in_threadpool(_fulfil, self._file(), verb, wish))

        return move


def _wish(body: bytes, verb: Verb) -> Wish:
    said = json_in(body)
    if not isinstance(said, dict) or said.keys() not in ({"ids"}, {"match"}):
        raise Mistake('expected {"ids": […]} or {"match": {…}}')
    if "ids" in said:
        ids = said["ids"]
        if not isinstance(ids, list) or not 1 <= len(ids) <= MOST or not all(map(is_job_id, ids)):
            raise Mistake(f"ids: expected 1 to {MOST:,} job ids")
        return Wish(list(dict.fromkeys(ids)), None)
    wanted = Filter.of_match(said["match"])
    movable = tuple(state for state in FROM[verb] if state in (wanted.states or FROM[verb]))
    if not movable:
        raise Mistake(f"states: expected {' or '.join(FROM[verb])}")
    return Wish([], wanted._replace(states=movable))


def _fulfil(file: QueueFile, verb: Verb, wish: Wish) -> dict[str, Any]:
    ids, more = wish.ids, False
    if wish.match is not None:
        lost = lost_of(file.processes())
        wanted = wish.match.wanted(file.now(), lost)
        found = file.search.find(wanted, MOST, seconds=2.0, most=100_000)
        ids, more = [job.id for job in found.jobs], found.next is not None
    done = {id_ for batch in _batches(ids) for id_ in _moved(file, verb, batch)}
    refused = [id_ for id_ in ids if id_ not in done]
    return {
        "ok": True,
        "done": len(done),
        "refused": [_refused(file, verb, id_) for id_ in refused[:_REFUSED]],
        "refused_count": len(refused),
        "more": more,
    }


def _batches(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), _BATCH):
        yield ids[start : start + _BATCH]


def _moved(file: QueueFile, verb: Verb, ids: Sequence[str]) -> list[str]:
    match verb:
        case "requeue":
            return file.requeue_many(ids)
        case "run-now":
            return file.run_now_many(ids)
        case "delete":
            return file.pruning.delete(ids)
        case "cancel":
            return _cancelled(file, ids)


def _cancelled(file: QueueFile, ids: Sequence[str]) -> list[str]:
    if len(ids) == 1:
        # It tells the handler at once if that runs here, and has reserved space on a full disk.
        before = _status(file, ids[0])
        with suppress(JobNotFound):
            file.cancel(ids[0])
        return list(ids) if before in sources("cancel") else []
    return [id_ for id_, _status in file.cancel_many(ids)]


def _refused(file: QueueFile, verb: Verb, id_: str) -> dict[str, Any]:
    status = _status(file, id_)
    told = f"it is {status}"
    if status is None:
        told = "the job no longer exists"
    elif verb == "run-now" and status == "queued":
        told = "it is already ready"
    elif verb == "delete" and status in FROM["delete"]:
        told = "it is the newest job, or the one that moved last, which stays"
    return {"id": id_, "status": status, "message": told}


def _status(file: QueueFile, id_: str) -> Status | None:
    try:
        return file.job(id_).status
    except JobNotFound:
        return None
