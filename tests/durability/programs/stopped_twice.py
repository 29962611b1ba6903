"""A Ctrl-C ends a block, and a second one the grace of it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import Any

from sprag.queue import QueueService
from sprag.queue.service import life_of
from sprag.queue.store.tickets import Exchange


def tickets_of(queue: QueueService) -> list[Exchange]:
    pool = life_of(queue).pool
    assert pool is not None
    return list(pool._tickets)


class Looks(QueueService):
    name = "work"

    def handle_item(self, item: Any) -> None:
        begun.set()
        while True:
            self.check_cancelled()
            time.sleep(0.001)


class Awaits(QueueService):
    name = "work"

    async def handle_item(self, item: Any) -> None:
        begun.set()
        await asyncio.sleep(600)


path, kind = sys.argv[1:]
begun = threading.Event()
other = QueueService(name="other", database=path)
other.counts()  # it keeps the file open, and thereby the owner


def again() -> None:
    while not all(ticket.stopping for ticket in tickets):
        time.sleep(0.001)
    os.kill(os.getpid(), signal.SIGINT)


kinds: dict[str, type[QueueService]] = {"looks": Looks, "awaits": Awaits}
with suppress(KeyboardInterrupt), kinds[kind](database=path, grace_seconds=600) as queue:
    tickets = tickets_of(queue)
    job = queue.enqueue(1)
    begun.wait()
    threading.Thread(target=again).start()
    raise KeyboardInterrupt
while queue.get(job.id).status == "running":
    time.sleep(0.001)
print(*[move.event for move in queue.history(job.id)])
