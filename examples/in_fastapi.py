# Run it:  uvicorn examples.in_fastapi:api        and open http://127.0.0.1:8000/jobs/
"""sprag inside FastAPI: its pages at /jobs, and jobs from FastAPI's own endpoints."""

from __future__ import annotations

import os
import secrets

from fastapi import FastAPI, Request
from starlette.middleware.sessions import SessionMiddleware

from examples.counting import CountQueue
from sprag import App

jobs = App(
    routes="examples.pages",
    providers={"counting": CountQueue()},
    database="counting.db",
)

# FastAPI runs no lifespan of what is mounted, so that of the jobs is made its own.
api = FastAPI(lifespan=jobs.lifespan)
api.add_middleware(
    SessionMiddleware, secret_key=os.environ.get("API_SECRET") or secrets.token_urlsafe()
)


@api.get("/visits")
def visits(request: Request) -> int:
    """How often this visitor was here, in FastAPI's own session."""
    request.session["visits"] = request.session.get("visits", 0) + 1
    return int(request.session["visits"])


@api.post("/count/{to}")
def count(to: int) -> str:
    """Count in the background; the job's id. It has no audience, so no page is told of it."""
    return jobs.queue("counting").enqueue({"to": to}).id


api.mount("/jobs", jobs)
