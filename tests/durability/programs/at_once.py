"""Run jobs until a line comes; then say how many ran at once at most."""

from __future__ import annotations

import sys
import threading
from typing import Any

from sprag.queue import QueueService

lock, inside = threading.Lock(), [0, 0]


class Shared(QueueService):
    name = "shared"
    worker_count = 2

    def handle_item(self, item: Any) -> None:
        with lock:
            inside[0] += 1
            inside[1] = max(inside)
        threading.Event().wait(0.001)
        with lock:
            inside[0] -= 1


with Shared(database=sys.argv[1]) as queue:
    print("ready", flush=True)
    sys.stdin.readline()
print(inside[1], flush=True)
