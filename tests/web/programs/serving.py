"""Serve an application with uvicorn. Arguments: its routes package, its file, and the folder that
has the package. Everything that is logged goes to standard output."""

from __future__ import annotations

import sys
from typing import Any

import uvicorn

from sprag import App, QueueService

routes, database, folder = sys.argv[1:]
sys.path.insert(0, folder)
sys.stderr = sys.stdout


class Work(QueueService):
    name = "work"

    def handle_item(self, item: Any) -> None: ...


app = App(routes=routes, database=database, providers={"work": Work()})
uvicorn.run(app, port=0, log_config=None)
