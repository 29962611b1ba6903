# Run it:  uvicorn examples.in_fastapi:api        and open http://127.0.0.1:8000/jobs/
"""sprag inside FastAPI: its pages at /jobs, and jobs from FastAPI's own endpoints."""

from __future__ import annotations

import os
import secrets

from fastapi import FastAPI, HTTPException, Request
from starlette.middleware.sessions import SessionMiddleware

from examples.counting import CountQueue
from sprag import App
from sprag.queue import QueueFull

jobs = App(
    routes="examples.pages",
    providers={"counting": CountQueue()},
    database="counting.db",
)

# FastAPI does not run the lifespan of mounted applications, so it gets ours as its own.
api = FastAPI(lifespan=jobs.lifespan)
api.add_middleware(
    SessionMiddleware, secret_key=os.environ.get("API_SECRET") or secrets.token_urlsafe()
)


@api.get("/visits")
def visits(request: Request) -> int:
    """Return how often this user was here, from FastAPI's own session."""
    request.session["visits"] = request.session.get("visits", 0) + 1
    return int(request.session["visits"])


@api.post("/count/{to}")
def count(to: int) -> str:
    """Count in the background. Return the job's id. The job has no audience: no page sees it."""
    try:
        return jobs.queue("counting").enqueue({"to": to}).id
    except QueueFull as error:
        raise HTTPException(503, "The queue is full: try again later") from error


api.mount("/jobs", jobs)
