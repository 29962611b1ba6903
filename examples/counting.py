"""A queue that counts, slowly: something to watch in the other examples."""

from __future__ import annotations

import os
import time
from typing import Any

from sprag import QueueService


class CountQueue(QueueService):
    """Items: `to`, how far to count. The result says which process did it."""

    name = "counting"
    grace_seconds = 2.0
    max_queued = 1000

    def handle_item(self, item: dict[str, Any]) -> dict[str, Any]:
        """Count to `to`, ten numbers a second."""
        for number in range(1, item["to"] + 1):
            self.check_cancelled()
            self.report_progress(number, item["to"], message=f"in process {os.getpid()}")
            time.sleep(0.1)
        return {"counted": item["to"], "process": os.getpid()}
