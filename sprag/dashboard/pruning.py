"""Delete old finished jobs: first count those that would go, then, if it is wanted, delete them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from ..queue.operators import QueueFile
from .answers import Json, refusal
from .bodies import body_of, json_in
from .filters import Mistake

_MOST_BYTES: Final = 4096
_MOST: Final = 2_000  # how many are deleted between looks at the clock
_SECONDS: Final = 2.0
_LARGEST: Final = 1e12


class Wish(NamedTuple):
    """Finished jobs of `queue` (None: of all) that ended over `older_than` seconds ago, or that
    are not among the `keep` newest of their queue."""

    queue: str | None
    older_than: float | None
    keep: int | None
    only_count: bool


class Pruning:
    """The endpoint `prune`.

    The body is {"queue": null, "older_than": 604800, "keep": null, "only_count": true}.
    With `only_count` nothing is deleted; the answer says how many would be: {"ok":
    true, "count": 12, "all": true}, where `all` is false if there are more
    than could be counted in a second. Without it, about two seconds' worth is
    deleted: {"ok": true, "done": 12, "more": false}; `more` asks for another
    request.
    """

    def __init__(self, file: Callable[[], QueueFile]) -> None:
        self._file = file

    async def prune(self, request: Request) -> Response:
        body = await body_of(request, "application/json", _MOST_BYTES)
        if isinstance(body, Response):
            return body
        try:
            wish = _wish(body)
        except Mistake as error:
            return refusal(request, 400, "invalid_payload", str(error))
        act = _count if wish.only_count else _prune
        return Json(await run_in_threadpool(act, self._file(), wish))


def _wish(body: bytes) -> Wish:
    said = json_in(body)
    if not isinstance(said, dict) or not said.keys() <= {*Wish._fields}:
        raise Mistake(f"expected an object with {', '.join(Wish._fields)}")
    queue, age, keep = said.get("queue"), said.get("older_than"), said.get("keep")
    if queue is not None and not isinstance(queue, str):
        raise Mistake("queue: expected a name, or null for all queues")
    if age is not None and not (_is_number(age) and 0 <= age <= _LARGEST):
        raise Mistake("older_than: expected seconds")
    if keep is not None and not (_is_number(keep) and keep == int(keep) and 0 <= keep <= _LARGEST):
        raise Mistake("keep: expected a number of jobs")
    if age is None and keep is None:
        raise Mistake("expected older_than, keep or both")
    return Wish(
        None if not queue else queue.encode("utf-8", "replace").decode(),
        age,
        None if keep is None else int(keep),
        said.get("only_count") is True,
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value


def _limits(file: QueueFile, wish: Wish) -> tuple[list[str], float | None]:
    queues = file.queues() if wish.queue is None else [wish.queue]
    before = None if wish.older_than is None else file.now() - wish.older_than
    return queues, before


def _count(file: QueueFile, wish: Wish) -> dict[str, Any]:
    queues, before = _limits(file, wish)
    deadline = time.monotonic() + 1.0
    counted = [
        file.pruning.prunable(q, before, wish.keep, deadline - time.monotonic()) for q in queues
    ]
    number = sum(count for count, _whole in counted)
    return {"ok": True, "count": number, "all": all(whole for _count, whole in counted)}


def _prune(file: QueueFile, wish: Wish) -> dict[str, Any]:
    queues, before = _limits(file, wish)
    deadline = time.monotonic() + _SECONDS
    done = 0
    for queue in queues:
        while some := file.pruning.prune(queue, before, wish.keep, _MOST):
            done += some
            if time.monotonic() > deadline:
                return {"ok": True, "done": done, "more": True}
    return {"ok": True, "done": done, "more": False}
