"""What runs in the browser."""

from __future__ import annotations

from typing import Any

from sprag import Module


class CountModule(Module):
    """Shows the visitor's jobs as they move."""

    def on_start(self) -> None:
        """Be told of every move of the visitor's jobs."""
        self.on_socket("sprag:queue.job.changed", self._on_change)

    def on_count(self) -> None:
        """The button was pressed."""
        self.call_action("count").then(self._show)

    def on_cancel(self, _event: Any, target: Any) -> None:
        """The button of a job was pressed."""
        self.call_action("cancel", {"job_id": target.value})

    def _on_change(self, data: Any) -> None:
        self.call_action("status", {"job_id": data["job_id"]}).then(self._show)

    def _show(self, result: Any) -> None:
        job = result.value["job"]
        jobs = [job if each["id"] == job["id"] else each for each in self.state["jobs"]]
        self.set_state({"jobs": jobs if job in jobs else [job, *jobs][:10]})
