"""An application whose page is written in JavaScript, with the dashboard beside it."""

import os
from typing import Any

from gates import held  # type: ignore[import-not-found]  # in the folder above

from sprag import App, QueueService


class SayQueue(QueueService):
    name = "say"
    worker_count = int(os.environ.get("WORKERS", "4"))

    def handle_item(self, item: dict[str, Any]) -> dict[str, Any]:
        says = item["says"]
        self.report_progress(current=1, total=2, message=says)
        held("say", self.check_cancelled)
        if item["fails"]:
            raise ValueError(says)
        return {"says": says, "pid": os.getpid()}


app = App(
    routes="app.routes",
    providers={"say": SayQueue()},
    dashboard="/ops",
    run_jobs="RUN_NO_JOBS" not in os.environ,
)
