"""A Ctrl-C comes while a stop waits for a slow subscriber."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path
from typing import Any

from sprag.queue import QueueService, Signal


class Work(QueueService):
    name = "work"

    def handle_item(self, item: Any) -> Any:
        return item


def slow(told: Signal) -> None:
    called.set()
    interrupted.wait()


def interrupted_once(seconds: float) -> None:
    del vars(subscription)["_join"]
    signal.raise_signal(signal.SIGINT)


called, interrupted = threading.Event(), threading.Event()
queue = Work(database=sys.argv[1]).start()
subscription = queue.subscribe(slow)
vars(subscription)["_join"] = interrupted_once
queue.enqueue(1)
called.wait()
try:
    queue.stop()
except KeyboardInterrupt:
    print("interrupted", *Path(f"{sys.argv[1]}-sprag").glob("*.lock"))
interrupted.set()
