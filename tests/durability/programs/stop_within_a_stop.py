"""A signal handler stops the queue that the main thread is stopping, or the application of it.

stop_within_a_stop.py FILE [queue | application]
"""

from __future__ import annotations

import faulthandler
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

from sprag.queue import QueueService, ReentrantCall
from sprag.queue.service import life_of
from sprag.web import App

PAGES = Path(__file__).parents[2] / "web" / "programs"

faulthandler.dump_traceback_later(300, exit=True)
path = sys.argv[1]
of_application = sys.argv[2:] == ["application"]
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
        if of_application:
            app.stop()
        else:
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
sys.path.insert(0, str(PAGES))
app = App(routes="pages", providers={"work": queue}, secret="x" * 32)
(app if of_application else queue).start()
main = threading.get_ident()
signal.signal(signal.SIGUSR1, stop)
queue.enqueue(1)
begun.wait()
threading.Thread(target=interrupt).start()
queue.stop(60)
app.stop()
print("stopped")
