"""The page of `application.py`, as `pages/home.py`."""

from __future__ import annotations

import os
from typing import Any

from sprag import Controller, action


class Home(Controller):
    route = "/"

    def load(self) -> dict[str, Any]:
        return {"word": "first", "pid": os.getpid()}

    @action
    def go(self) -> Any:
        return self.enqueue("work", 1)["job_id"]
