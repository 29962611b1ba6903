"""The queues of the soak and what their jobs do; its sibling process has them too."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from sprag.queue import Backoff, QueueService

FLOOD = 10_000
"""How often a job reports progress as fast as it can."""


class Plain(QueueService):
    """Jobs that run in threads."""

    name = "plain"
    worker_count = 2
    max_attempts = 3
    backoff = Backoff(first=0.02, limit=0.2)
    grace_seconds = 5.0

    def handle_item(self, item: Any) -> Any:
        match item["kind"]:
            case "flood":
                for step in range(FLOOD):
                    self.report_progress(current=step, total=FLOOD, message=f"step {step}")
            case "fails":
                raise ValueError("as it should")
            case "flaky" if self.current_job.attempt < 3:
                raise ValueError("not yet")
            case "stubborn":
                # Until it is cancelled, which is soon, or for a while.
                for _ in range(40):
                    self.check_cancelled()
                    time.sleep(0.005)
            case "large":
                return "x" * 20_000
            case _:
                time.sleep(0.001)
        return item["kind"]


class Awaiting(QueueService):
    """Jobs that run on an event loop."""

    name = "awaiting"
    worker_count = 2
    max_attempts = 3
    backoff = Backoff(first=0.02, limit=0.2)
    grace_seconds = 5.0

    async def handle_item(self, item: Any) -> Any:
        match item["kind"]:
            case "fails":
                raise ValueError("as it should")
            case "flaky" if self.current_job.attempt < 3:
                raise ValueError("not yet")
            case "stubborn":
                for _ in range(40):
                    self.check_cancelled()
                    await asyncio.sleep(0.005)
            case _:
                self.report_progress(percent=50)
                await asyncio.sleep(0.001)
        return item["kind"]
