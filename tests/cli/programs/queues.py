"""The queues that tests of `sprag work` run, as `app.py` of a folder of theirs."""

from __future__ import annotations

import threading
from typing import Any

from sprag import QueueService


class Quick(QueueService):
    name = "quick"

    def handle_item(self, item: Any) -> Any:
        return item * 2


class Slow(QueueService):
    """Jobs that run until they are cancelled, or "short" ones."""

    name = "slow"
    worker_count = 1

    def handle_item(self, item: Any) -> str | None:
        print("started", flush=True)
        pause = threading.Event()
        while item != "stubborn" or not pause.wait(0.01):
            self.check_cancelled()
            if pause.wait(0.01) or item == "short":
                return "done"
        return None


class Deaf(QueueService):
    """Jobs that nothing ends."""

    name = "deaf"

    def handle_item(self, item: Any) -> None:
        print("started", flush=True)
        threading.Event().wait()


class Failing(QueueService):
    name = "failing"

    def handle_item(self, item: Any) -> None:
        raise ValueError("line\n2026-01-01 error \x1b[2J")


class Needy(QueueService):
    """One that cannot be made without an argument."""

    def __init__(self, password: str) -> None:
        super().__init__(name="needy")

    def handle_item(self, item: Any) -> None: ...


class Handless(QueueService):
    name = "handless"


ready = Quick(database="instance.db")
number = 3


def function() -> None: ...
