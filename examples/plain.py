# Run it:  sprag run examples.plain:app
# in two processes:  sprag run examples.plain:app --workers 2
#                    uvicorn examples.plain:app --workers 2
#                    gunicorn examples.plain:app --workers 2 -k uvicorn_worker.UvicornWorker
"""An application with one page and one queue."""

from __future__ import annotations

from examples.counting import CountQueue
from sprag import App

app = App(
    routes="examples.pages",
    providers={"counting": CountQueue()},
    database="counting.db",
)
