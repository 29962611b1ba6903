"""A signal handler stops the queue that the main thread is stopping.

stop_within_a_stop.py FILE

As a module, `queue` is such a queue, and `stop_within_its_stop(front)` lets the handler stop
`front` instead, which may be more than the queue.
"""

from __future__ import annotations

import faulthandler
import signal
import sys
import threading
from types import FrameType
from typing import Any, Protocol

from sprag.queue import QueueService
from sprag.queue.service import life_of

faulthandler.dump_traceback_later(300, exit=True)
begun, go = threading.Event(), threading.Event()


class Front(Protocol):
    """What can be started and stopped."""

    def start(self) -> object: ...

    def stop(self) -> None: ...


class Work(QueueService):
    name = "work"
    database = sys.argv[1]
    grace_seconds = 0.1

    def handle_item(self, item: Any) -> Any:
        begun.set()
        go.wait()
        return item


queue = Work()


def stop_within_its_stop(front: Front) -> None:
    """Prints "stopped" at the end of the handler's stop, and at that of the other one."""

    def stop(number: int, frame: FrameType | None) -> None:
        front.stop()
        print("stopped", flush=True)
        go.set()

    def interrupt() -> None:
        pool = life_of(queue).pool
        while pool is None or not all(ticket.stopping for ticket in pool._tickets):
            threading.Event().wait(0.01)
        signal.pthread_kill(main, signal.SIGUSR1)

    front.start()
    main = threading.get_ident()
    signal.signal(signal.SIGUSR1, stop)
    queue.enqueue(1)
    begun.wait()
    threading.Thread(target=interrupt).start()
    queue.stop(60)
    front.stop()
    print("stopped")


if __name__ == "__main__":
    stop_within_its_stop(queue)
