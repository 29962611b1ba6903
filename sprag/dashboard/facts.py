"""The data of the pages, as JSON. Plain functions: Starlette runs them in its threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from ..queue import ConfigurationError, JobNotFound
from ..queue.checks import cursor
from ..queue.engine import Engine
from ..queue.ids import is_job_id
from ..queue.processes import processes_of
from ..queue.states import Status
from .answers import Json, refusal
from .filters import Filter, Mistake
from .overview import SPANS, Overview
from .shapes import glance_shape, job_shape, move_shape
from .sparing import Sparing

_PAGE: Final = 50
_MOVES: Final = 500


class Facts:
    """The endpoints under `data/`."""

    def __init__(self, engine: Callable[[], Engine]) -> None:
        self._engine = engine
        self._overview = Overview(engine)
        self._counts = Sparing(self._count)

    def overview(self, request: Request) -> Response:
        """`?span=3600`: how everything stands, and the pace of the last `span` seconds."""
        spans = {str(span): span for span in SPANS}
        span = spans.get(request.query_params.get("span", "3600"))
        if span is None:
            told = f"span: expected one of {', '.join(spans)}"
            return refusal(request, 400, "invalid_query", told)
        return Json(self._overview.shape(span))

    def jobs(self, request: Request) -> Response:
        """`?state=&queue=&text=&before=`: jobs, newest first, and where the next page begins."""
        query = request.query_params
        try:
            wanted = Filter.of(query.getlist("state"), query.get("queue"), query.get("text", ""))
            before = cursor(query.get("before") or None)
        except (Mistake, ConfigurationError) as error:
            return refusal(request, 400, "invalid_query", str(error))
        journal = self._engine().journal
        found = journal.search(wanted.queues, wanted.statuses, _PAGE, before, wanted.text)
        return Json(
            {
                "jobs": [glance_shape(job) for job in found.jobs],
                "next": found.next,
                "looked": found.looked,
                "cut": found.cut,
                "counts": self._counts(),
                "now": journal.clock(),
            }
        )

    def job(self, request: Request) -> Response:
        """A job and its moves; of very many moves the latest."""
        id_ = request.path_params["id"]
        if not is_job_id(id_):
            raise JobNotFound(id_, None)
        engine = self._engine()
        job = engine.journal.job(id_)
        moves = engine.journal.history(id_)
        processes = {process.id: process for process in processes_of(engine.journal, engine.folder)}
        shown: list[dict[str, Any]] = [move_shape(move, processes) for move in moves[-_MOVES:]]
        return Json(
            {
                "job": job_shape(job),
                "moves": shown,
                "earlier": len(moves) - len(shown),
                "seq": moves[-1].seq,
                "now": engine.journal.clock(),
            }
        )

    def _count(self) -> dict[str, dict[Status, int]]:
        return self._engine().journal.counts()
