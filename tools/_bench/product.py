"""Product: sprag itself, as a subject beside its peers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any, cast

from sprag.queue import QueueService, Status
from sprag.queue.file.checkpoints import Durability
from sprag.queue.service import life_of

from .raw import QUEUE, settings
from .subjects import WORKERS, Handler, expect, verify

FILE = "jobs.db"
ITEM = {"n": 1}
UNFINISHED: tuple[Status, ...] = ("queued", "running", "cancelling")


class BenchQueue(QueueService):
    """The queue of every measure; its jobs do whatever `handler` says."""

    name = QUEUE
    worker_count = WORKERS
    handler: Callable[[BenchQueue], object]

    def handle_item(self, item: Any) -> None:  # noqa: ARG002 - what a no-op gets does not matter
        self.handler(self)


def open_queue(folder: Path, sync: str, **options: Any) -> BenchQueue:
    """A queue on the folder's file, opened but not started; its jobs do nothing."""
    queue = BenchQueue(database=folder / FILE, durability=cast("Durability", sync), **options)
    queue.handler = lambda _queue: None
    queue.jobs(limit=1)
    # The connection that writes has no public door, and it is the one that must be verified.
    engine: Any = life_of(queue).engine
    verify([settings(engine.database.writer)], sync)
    return queue


class Product:
    """sprag on the folder's file, which may hold jobs already."""

    def __init__(self, folder: Path, sync: str) -> None:
        self._folder = folder
        self._sync = sync
        self._queue = open_queue(folder, sync)
        self._before = self._queue.counts()

    def enqueue(self) -> None:
        self._queue.enqueue(ITEM)

    def enqueue_many(self, count: int) -> None:
        self._queue.enqueue_many(repeat(ITEM, count))

    def serve(self, handler: Handler) -> None:
        self._queue.handler = lambda _queue: handler()
        self._queue.start()

    def drained(self) -> bool:
        return not self._queue.jobs(UNFINISHED, limit=1).jobs

    def stop(self) -> None:
        self._queue.stop()

    def check(self, jobs: int) -> None:
        after = open_queue(self._folder, self._sync)
        counts = after.counts()
        after.stop()
        expect("completed jobs", counts["completed"] - self._before["completed"], jobs)
        expect("unfinished jobs", [counts[status] for status in UNFINISHED], [0, 0, 0])

    def settings(self) -> Sequence[tuple[str, int]]:
        """Nothing more: `open_queue` has verified the connection that writes."""
        return ()
