"""The application: what is found where, and who comes first to look at a request."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..queue import DatabaseError, JobNotFound, QueueClosed
from ..queue.engine import Engine
from ..queue.logs import Log
from .access import Access, Door
from .answers import ProtectedAnswers, refusal
from .facts import Facts
from .files import asset
from .moves import Moves
from .pages import Pages
from .pruning import Pruning
from .signing import Signing
from .streams import Streams
from .verbs import VERBS

log: Final = Log("sprag.dashboard", here_always=True)

JOB_ID: Final = "{id:str}"


def dashboard(
    engine: Callable[[], Engine],
    *,
    token: str | None,
    secret: str,
    live: Callable[[], AsyncIterator[str]] | None = None,
) -> Starlette:
    """An ASGI application that shows the jobs of `engine()`, to be mounted at any path.

    With a `token` of 16 characters or more, people sign in with it, for 12
    hours in a cookie signed with `secret`, and scripts send it as
    `Authorization: Bearer TOKEN`. With None only requests from this machine
    are answered, made to a name of it and not passed on by a proxy.

    `engine` is called for each request and gives an open engine. `live` gives
    the text of job signals (JSON) as they come, for an application that reads
    the journal already; without it the dashboard subscribes by itself, while
    anyone looks. No lifespan is needed.

    Raises ConfigurationError for a token or a secret that protects nothing.
    """
    door = Door(token, secret)
    pages, facts, moves = Pages(door), Facts(engine), Moves(engine)
    signing, streams, pruning = Signing(door, pages), Streams(engine, live), Pruning(engine)
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
        Route("/events", streams.open),
        Route("/assets/{version}/{name}", asset),
    ]
    return Starlette(
        routes=routes,
        middleware=[
            Middleware(ProtectedAnswers),
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
    says = {404: "There is nothing here.", 405: "This address takes no such method."}
    told = says.get(status, "This request cannot be answered.")
    answer = refusal(request, status, kinds.get(status, "refused"), told)
    answer.headers.update(headers or {})
    return answer


def _not_found(request: Request, _error: Exception) -> Response:
    return refusal(request, 404, "unknown_job", "There is no such job: it may have been pruned.")


def _unavailable(request: Request, error: Exception) -> Response:
    log.error("the dashboard cannot read or write the jobs: %s", error)
    told = "The database cannot be used at the moment; the server's log says why."
    return refusal(request, 503, "unavailable", told)


def _internal(request: Request, _error: Exception) -> Response:
    # Starlette raises it again once this is sent, so that the server logs it.
    return refusal(request, 500, "internal", "Something went wrong; the server's log says what.")
