# Run it:  sprag run examples.with_flask:app      and open http://127.0.0.1:8000/legacy/
"""Flask inside sprag: the Flask application at /legacy, and jobs from its views."""

from __future__ import annotations

from typing import Any

from a2wsgi import WSGIMiddleware
from flask import Flask, abort, request

from examples.counting import CountQueue
from sprag import App
from sprag.queue import QueueFull

legacy = Flask(__name__)


@legacy.get("/")
def index() -> str:
    """A page of Flask."""
    return f"Flask at {request.script_root}/"


@legacy.post("/count/<int:to>")
def count(to: int) -> str:
    """Count in the background for this user, whose open pages see it. Return the job's id."""
    user = app.audience_of(request.environ["asgi.scope"])
    try:
        return app.queue("counting").enqueue({"to": to}, audience=user).id
    except QueueFull:
        abort(503, "The queue is full: try again later")


# WSGI cannot carry a WebSocket, so Flask runs inside sprag.
wsgi: Any = legacy.wsgi_app
mounted: Any = WSGIMiddleware(wsgi)

app = App(
    routes="examples.pages",
    providers={"counting": CountQueue()},
    database="counting.db",
    mounts={"/legacy": mounted},
)
