"""What runs in the browser."""

from __future__ import annotations

from typing import Any

from sprag import Module


class CountModule(Module):
    """Shows this user's jobs as they move."""

    def on_start(self) -> None:
        """Listen to every move of this user's jobs."""
        self.on_socket("sprag:queue.job.changed", self._on_change)

    def on_count(self) -> None:
        """The button was pressed."""
        self.set_state({"problem": ""})
        self.call_action("count").then(self._show).catch(self._failed)

    def on_cancel(self, _event: Any, target: Any) -> None:
        """The button of a job was pressed."""
        self.call_action("cancel", {"job_id": target.value}).then(self._show).catch(self._failed)

    def _on_change(self, data: Any) -> None:
        self.call_action("status", {"job_id": data["job_id"]}).then(self._show)

    def _show(self, result: Any) -> None:
        job = result.value["job"]
        if not result.value["accepted"]:  # the queue is full, or the job has already ended
            self.set_state({"problem": result.value["message"]})
        if job is None:
            return
        jobs = [job if each["id"] == job["id"] else each for each in self.state["jobs"]]
        self.set_state({"jobs": jobs if job in jobs else [job, *jobs][:10]})

    def _failed(self, result: Any) -> None:
        self.set_state({"problem": result.error.message})
