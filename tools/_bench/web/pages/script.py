"""The same page with its module in JavaScript."""

from __future__ import annotations

from typing import Any

from sprag import Controller


class ScriptController(Controller):
    route = "/script"
    title = "Images"

    def load(self) -> dict[str, Any]:
        return {"job_id": None}
