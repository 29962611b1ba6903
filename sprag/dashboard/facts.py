"""The data of the pages, as JSON. Plain functions: Starlette runs them in its threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from ..queue import ConfigurationError, JobNotFound
from ..queue.operators import QueueFile, Sparing, cursor, is_job_id, lost_of, words_of_task
from .answers import Json, refusal
from .filters import Filter, Mistake, order_of
from .overview import Overview
from .pace import SPANS
from .shapes import glance_shape, whole_move, whole_shape
from .standing import standing_of

_PAGE: Final = 50
_MOVES: Final = 500


class Facts:
    """The endpoints under `data/`."""

    def __init__(self, file: Callable[[], QueueFile]) -> None:
        self._file = file
        self._standing = Sparing(lambda: standing_of(file()))
        self._overview = Overview(file, self._standing)

    def forget(self) -> None:
        """Show the next time what an operator has just changed."""
        self._standing.forget()
        self._overview.forget()

    def overview(self, request: Request) -> Response:
        """`?span=3600`: how everything stands, and the pace of the last `span` seconds."""
        spans = {str(span): span for span in SPANS}
        span = spans.get(request.query_params.get("span", "3600"))
        if span is None:
            told = f"span: expected one of {', '.join(spans)}"
            return refusal(request, 400, "invalid_query", told)
        return Json(self._overview.shape(span))

    def jobs(self, request: Request) -> Response:
        """`?state=&queue=&task=&text=&by=&from=&until=&sort=&before=`: jobs, and where the next
        page begins."""
        query = request.query_params
        try:
            wish = Filter.of(query.getlist("state"), query)
            order = order_of(query.get("sort"))
            place = cursor(query.get("before") or None)
        except (Mistake, ConfigurationError) as error:
            return refusal(request, 400, "invalid_query", str(error))
        file = self._file()
        now = file.now()
        wanted = wish.wanted(now, lost_of(file.processes()))
        found = file.search.find(wanted, _PAGE, place, order)
        return Json(
            {
                "jobs": [glance_shape(job) for job in found.jobs],
                "next": found.next,
                "looked": found.looked,
                "cut": found.cut,
                "queues": self._standing(),
                "now": now,
            }
        )

    def job(self, request: Request) -> Response:
        """A job and its moves; if there are very many, the latest ones. `unknown` says that no
        process knows its task, if that is so."""
        id_ = request.path_params["id"]
        if not is_job_id(id_):
            raise JobNotFound(id_, None)
        file = self._file()
        owners = {process.id: process for process in file.processes()}
        job = file.job(id_)
        now = file.now()
        glance = file.search.glance(id_, lost_of(owners.values()), now)
        unknown = job.status == "queued" and file.is_unknown(job.queue, job.task)
        moves = file.history(id_)
        pause = file.pauses().get(job.queue) if job.status == "queued" else None
        shown: list[dict[str, Any]] = [whole_move(move, owners) for move in moves[-_MOVES:]]
        return Json(
            {
                "job": whole_shape(job, glance.state),
                "unknown": words_of_task(job.task) if unknown else None,
                "moves": shown,
                "earlier": len(moves) - len(shown),
                "seq": moves[-1].seq,
                "paused": None if pause is None else pause._asdict(),
                "now": now,
            }
        )
