"""A signal handler stops the queue that the main thread is stopping.

stop_within_a_stop.py FILE
"""

from __future__ import annotations

import faulthandler
import signal
import sys
import threading
from types import FrameType
from typing import Any

from sprag.queue import QueueService, ReentrantCall
from sprag.queue.service import life_of

faulthandler.dump_traceback_later(300, exit=True)
[path] = sys.argv[1:]
begun, go = threading.Event(), threading.Event()


class Work(QueueService):
    name = "work"
    database = path

    def handle_item(self, item: Any) -> Any:
        begun.set()
        go.wait()
        return item


def stop(number: int, frame: FrameType | None) -> None:
    try:
        queue.stop(0)
    except ReentrantCall:
        print("refused", flush=True)
    go.set()


def interrupt() -> None:
    pool = life_of(queue).pool
    while pool is None or not all(ticket.stopping for ticket in pool._tickets):
        threading.Event().wait(0.01)
    signal.pthread_kill(main, signal.SIGUSR1)


queue = Work()
queue.start()
main = threading.get_ident()
signal.signal(signal.SIGUSR1, stop)
queue.enqueue(1)
begun.wait()
threading.Thread(target=interrupt).start()
queue.stop(60)
print("stopped")
