"""Run jobs that only a cancellation ends, until a line comes."""

from __future__ import annotations

import sys
import time
from typing import Any

from sprag.queue import QueueService


class Cancellable(QueueService):
    name = "work"

    def handle_item(self, item: Any) -> None:
        print("begun", flush=True)
        while True:
            self.check_cancelled()
            time.sleep(0.001)


with Cancellable(database=sys.argv[1]) as queue:
    sys.stdin.readline()
