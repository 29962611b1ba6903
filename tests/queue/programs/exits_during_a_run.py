"""A program that ends while a handler runs, which then needs a thread. Its arguments are the file,
and how it needs one."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sprag.queue import QueueService

begun = threading.Event()
executor = ThreadPoolExecutor()


class Plain(QueueService):
    name = "work"
    worker_count = 1
    grace_seconds = 60

    def handle_item(self, item: Any) -> Any:
        begun.set()
        while threading.main_thread().is_alive():
            time.sleep(0.001)
        return executor.submit(str, item).result()


class Awaits(Plain):
    async def handle_item(self, item: Any) -> Any:
        begun.set()
        while threading.main_thread().is_alive():
            await asyncio.sleep(0.001)
        if item == "twin":
            return (await self.aenqueue("another")).id
        if item == "group":
            async with asyncio.TaskGroup() as group:
                group.create_task(asyncio.to_thread(str, item))
        return await asyncio.to_thread(str, item)


def goes_on() -> None:
    """A thread that the process waits for, until the job has gone back, and a moment longer."""
    while len(queue.history(job.id)) < 3:
        time.sleep(0.001)
    queue.enqueue("after the end")


path, how = sys.argv[1:]
queue = Plain(database=path) if how == "executor" else Awaits(database=path)
queue.start()
job = queue.enqueue(how)
begun.wait()
if how == "thread goes on":
    threading.Thread(target=goes_on).start()
