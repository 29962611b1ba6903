"""The application: its routes, and the middleware that sees each request first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..http.headers import ProtectedAnswers
from ..queue import DatabaseError, JobNotFound, QueueClosed
from ..queue.operators import Log, QueueFile
from .access import Access, Door
from .answers import HEADERS, refusal
from .facts import Facts
from .files import asset
from .moves import Moves
from .pages import Pages
from .pausing import Pausing
from .pruning import Pruning
from .schedules import SCHEDULE_VERBS, Schedules
from .signing import Signing
from .streams import Streams
from .verbs import VERBS

log: Final = Log("sprag.dashboard", here_always=True)

JOB_ID: Final = "{id:str}"


def dashboard(
    file: Callable[[], QueueFile],
    *,
    token: str | None,
    secret: str,
) -> Starlette:
    """Return an ASGI application that shows the jobs of `file()`. Mount it at any path.

    With a `token` of 16 characters or more, people sign in with it, for 12
    hours in a cookie signed with `secret`, and scripts send it as
    `Authorization: Bearer TOKEN`. With None, it answers only requests from this
    machine that are made to one of its names and that did not come through a proxy.

    `file` is called for each request and returns an open file. The dashboard
    subscribes to the journal while a page is open, and needs no lifespan.

    Raises ConfigurationError for a token or a secret that is too short.
    """
    door = Door(token, secret)
    pages, facts, moves = Pages(door), Facts(file), Moves(file)
    signing, streams = Signing(door, pages), Streams(file)
    pruning, pausing, schedules = (
        Pruning(file), Pausing(file, facts.forget), Schedules(file, facts.forget),
    )  # fmt: skip
    routes = [
        Route("/", pages.overview),
        Route("/jobs", pages.jobs),
        Route(f"/jobs/{JOB_ID}", pages.job),
        Route("/sign-in", signing.sign_in, methods=["GET", "POST"]),
        Route("/sign-out", signing.sign_out, methods=["POST"]),
        Route("/data/overview", facts.overview),
        Route("/data/jobs", facts.jobs),
        Route(f"/data/jobs/{JOB_ID}", facts.job),
        *(Route(f"/{verb}", moves.endpoint(verb), methods=["POST"]) for verb in VERBS),
        Route("/prune", pruning.prune, methods=["POST"]),
        Route("/pause", pausing.pause, methods=["POST"]),
        Route("/resume", pausing.resume, methods=["POST"]),
        *(
            Route(f"/schedules/{verb}", schedules.endpoint(verb), methods=["POST"])
            for verb in SCHEDULE_VERBS
        ),
        Route("/events", streams.open),
        Route("/assets/{version}/{name}", asset),
    ]
    return Starlette(
        routes=routes,
        middleware=[
            Middleware(ProtectedAnswers, headers=HEADERS),
            Middleware(Access, door=door, pages=pages),
        ],
        exception_handlers={
            HTTPException: _http_error,
            JobNotFound: _not_found,
            DatabaseError: _unavailable,
            QueueClosed: _unavailable,
            Exception: _internal,
        },
    )


def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = error.headers if isinstance(error, HTTPException) else None
    kinds = {404: "not_found", 405: "method_not_allowed"}
    says = {
        404: "There is nothing at this address.",
        405: "This address does not accept this method.",
    }
    told = says.get(status, "The server cannot answer this request.")
    answer = refusal(request, status, kinds.get(status, "refused"), told)
    answer.headers.update(headers or {})
    return answer


def _not_found(request: Request, _error: Exception) -> Response:
    return refusal(request, 404, "unknown_job", "There is no such job. It may have been deleted.")


def _unavailable(request: Request, error: Exception) -> Response:
    log.error("the dashboard cannot read or write the jobs: %s", error)
    told = "The database cannot be used at the moment. The server's log says why."
    return refusal(request, 503, "unavailable", told)


def _internal(request: Request, _error: Exception) -> Response:
    # Starlette raises it again once this is sent, so that the server logs it.
    return refusal(request, 500, "internal", "Something went wrong. See the server's log.")
