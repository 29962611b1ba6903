# Run it:  sprag run examples.with_flask:app      and open http://127.0.0.1:8000/legacy/
"""Flask inside sprag: the Flask application at /legacy, and jobs from its views."""

from __future__ import annotations

from typing import Any

from a2wsgi import WSGIMiddleware
from flask import Flask, request

from examples.counting import CountQueue
from sprag import App

legacy = Flask(__name__)


@legacy.get("/")
def index() -> str:
    """A page of Flask's."""
    return f"Flask at {request.script_root}/"


@legacy.post("/count/<int:to>")
def count(to: int) -> str:
    """Count in the background, for this visitor, whose open page is told of it; the job's id."""
    visitor = app.audience_of(request.environ["asgi.scope"])
    return app.queue("counting").enqueue({"to": to}, audience=visitor).id


# WSGI has no WebSocket, so Flask is inside and sprag is outside.
wsgi: Any = legacy.wsgi_app
mounted: Any = WSGIMiddleware(wsgi)

app = App(
    routes="examples.pages",
    providers={"counting": CountQueue()},
    database="counting.db",
    mounts={"/legacy": mounted},
)
