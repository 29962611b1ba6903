"""A Ctrl-C comes while several queues are stopped together, or one by one at the exit."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
import time
from typing import Any

from sprag.queue import QueueService
from sprag.queue.roster import stop_together
from sprag.queue.service import life_of
from sprag.queue.store.tickets import Exchange

faulthandler.dump_traceback_later(300, exit=True)


def tickets_of(queue: QueueService) -> list[Exchange]:
    pool = life_of(queue).pool
    assert pool is not None
    return list(pool._tickets)


class Work(QueueService):
    grace_seconds = 600

    def handle_item(self, item: Any) -> None:
        begun[self.name].set()
        while True:
            self.check_cancelled()
            time.sleep(0.001)


def interrupt() -> None:
    # At the exit one is stopped after the other.
    while not (any if how == "at exit" else all)(ticket.stopping for ticket in tickets):
        time.sleep(0.001)
    os.kill(os.getpid(), signal.SIGINT)


begun = {"one": threading.Event(), "two": threading.Event()}
path, how = sys.argv[1:]
queues = [Work(name=name, database=path).start() for name in begun]
tickets = [ticket for queue in queues for ticket in tickets_of(queue)]
jobs = [queue.enqueue(1) for queue in queues]
for event in begun.values():
    event.wait()
threading.Thread(target=interrupt, daemon=True).start()
if how == "at exit":
    sys.exit()
try:
    stop_together(queues)
except KeyboardInterrupt:
    left = [thread for thread in threading.enumerate() if thread.name.startswith("sprag-")]
    for thread in left:
        thread.join(30)  # the one that has stopped them is on its way out
    left = [thread for thread in left if thread.is_alive()]
    print(*left, *[queue.get(job.id).status for queue, job in zip(queues, jobs, strict=True)])
