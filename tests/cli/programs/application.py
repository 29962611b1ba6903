"""The application that tests of `sprag run` serve, as `main.py` of a folder of theirs."""

from __future__ import annotations

import threading
from typing import Any

from sprag import App, QueueService


class Work(QueueService):
    """Jobs that run until they are cancelled."""

    name = "work"
    grace_seconds = 0.1

    def handle_item(self, item: Any) -> None:
        print("started", flush=True)
        while True:
            self.check_cancelled()
            threading.Event().wait(0.01)


class Deaf(QueueService):
    """Jobs that nothing ends."""

    name = "deaf"
    grace_seconds = 3600

    def handle_item(self, item: Any) -> None:
        print("started", flush=True)
        threading.Event().wait()


app = App(routes="pages", providers={"work": Work(), "deaf": Deaf()}, database="jobs.db")
number = 3
