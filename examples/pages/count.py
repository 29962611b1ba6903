"""A page that counts in a queue and shows the progress."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from sprag import Controller, Field, Schema, action

JOB = Schema("job", {"job_id": Field(str, required=True)})


class CountPage(Controller):
    """The page at /, and the actions that it may call."""

    route = "/"
    title = "Counting"

    def load(self) -> dict[str, Any]:
        """Return what the page begins with: the newest jobs of this user."""
        jobs = self.jobs("counting", limit=10)
        return {"jobs": jobs, "problem": "", "served_by": os.getpid()}

    @action(schema=Schema("count", {"to": Field(int, default=20, min=1, max=1000)}))
    def count(self, to: int) -> dict[str, Any]:
        """Count in the background."""
        return self.enqueue("counting", {"to": to})

    @action(schema=JOB)
    def status(self, job_id: str) -> dict[str, Any]:
        """Return the state of a job."""
        return self.job_status("counting", job_id)

    @action(schema=JOB)
    def cancel(self, job_id: str) -> dict[str, Any]:
        """Cancel a job."""
        return self.request_job_cancel("counting", job_id)

    @action(defer=True)
    async def think(self) -> str:
        """Answer later, with a signal."""
        await asyncio.sleep(0.1)
        return "thought"
