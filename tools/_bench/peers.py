"""Peers: other durable queues, each driven through its own public surface.

Each of those on SQLite runs in WAL mode with `PRAGMA synchronous` set on the very connections it
writes with, and keeps its other defaults. Modules are imported by name, so that a child process
loads one peer only.

Not all keep the same promise. Those in `DURABLE` commit the end of a job, as sprag does. The
`REFERENCES` are shown, not judged against: two delete a job when it is taken and write nothing at
its end, so a drain costs them one commit a job and a crash in a handler loses the job; one goes
through the file with a cursor, which comes back to a job that was given up only after a full round.
Those in `SERVERS` commit what the durable ones do, in a database server.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .connection import number, set_synchronous, settings_of
from .postgres import Procrastinate
from .stores import LiteQueue, PersistQueue, Store
from .subjects import WORKERS, Handler, Subject, expect


class Huey:
    """huey's SqliteHuey with its real consumer and worker threads.

    All threads share one connection behind a lock, so one pragma reaches every write. A task is
    deleted when it is taken; with `outcomes`, what it returned is stored, even if that is None.
    """

    def __init__(self, folder: Path, sync: str, *, outcomes: bool) -> None:
        huey = importlib.import_module("huey")
        self._consumers = importlib.import_module("huey.consumer")
        self._path = folder / "huey.db"
        self._huey: Any = huey.SqliteHuey(
            "bench", filename=str(self._path), results=outcomes, store_none=outcomes
        )
        set_synchronous(self._huey.storage.conn, sync)
        self._tally = Tally()
        self._results = outcomes
        self._handler: Handler = lambda: None

        def job() -> None:
            self._handler()

        self._task: Any = self._huey.task()(job)
        self._huey.signal("complete")(lambda signal, task: self._tally.settled())
        self._consumer: Any = None

    def enqueue(self) -> None:
        self._task()
        self._tally.accepted(1)

    def enqueue_many(self, count: int) -> None:
        for _ in range(count):
            self.enqueue()

    def serve(self, handler: Handler) -> None:
        self._handler = handler
        self._consumer = self._consumers.Consumer(self._huey, workers=WORKERS, periodic=False)
        self._consumer.start()

    def drained(self) -> bool:
        return self._tally.level()

    def stop(self) -> None:
        self._consumer.stop(graceful=True)

    def check(self, jobs: int) -> None:
        self._tally.check(jobs)
        expect("tasks left", number(self._path, "SELECT count(*) FROM task"), 0)
        results = number(self._path, "SELECT count(*) FROM kv")
        expect("results stored", results, jobs if self._results else 0)

    def settings(self) -> Sequence[tuple[str, int]]:
        return [settings_of(self._huey.storage.conn)]


class Threaded:
    """A store with the plainest worker threads around it: take, handle, settle."""

    def __init__(self, store: Store, sync: str) -> None:
        self._store = store
        self._tally = Tally()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        for connection in store.connections():
            set_synchronous(connection, sync)

    def enqueue(self) -> None:
        self._store.put()
        self._tally.accepted(1)

    def enqueue_many(self, count: int) -> None:
        self._store.put_many(count)
        self._tally.accepted(count)

    def serve(self, handler: Handler) -> None:
        self._threads = [
            threading.Thread(target=self._work, args=(handler,)) for _ in range(WORKERS)
        ]
        for thread in self._threads:
            thread.start()

    def _work(self, handler: Handler) -> None:
        while not self._stopping.is_set():
            taken = self._store.take()
            if taken is not None:
                handler()
                self._store.settle(taken)
                self._tally.settled()

    def drained(self) -> bool:
        return self._tally.level()

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def check(self, jobs: int) -> None:
        self._tally.check(jobs)
        expect("jobs left", self._store.left(), 0)

    def settings(self) -> Sequence[tuple[str, int]]:
        return [settings_of(connection) for connection in self._store.connections()]


class Tally:
    """How many jobs a peer accepted and ended in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._accepted = 0
        self._settled = 0

    def accepted(self, count: int) -> None:
        with self._lock:
            self._accepted += count

    def settled(self) -> None:
        with self._lock:
            self._settled += 1

    def level(self) -> bool:
        return self._settled == self._accepted

    def check(self, jobs: int) -> None:
        expect("jobs settled", self._settled, jobs)


DURABLE: dict[str, Callable[[Path, str], Subject]] = {
    "huey": lambda folder, sync: Huey(folder, sync, outcomes=True),
    "persist-queue": lambda folder, sync: Threaded(PersistQueue(folder, acknowledged=True), sync),
    "litequeue": lambda folder, sync: Threaded(LiteQueue(folder), sync),
}

REFERENCES: dict[str, Callable[[Path, str], Subject]] = {
    "huey, no outcome": lambda folder, sync: Huey(folder, sync, outcomes=False),
    "persist-queue, no ack": lambda folder, sync: Threaded(
        PersistQueue(folder, acknowledged=False), sync
    ),
    "persist-queue, cursor": lambda folder, sync: Threaded(
        PersistQueue(folder, acknowledged=True, cursor=True), sync
    ),
}

SERVERS: dict[str, Callable[[Path, str], Subject]] = {"procrastinate": Procrastinate}
"""They are measured where there is a server for them."""

PEERS = DURABLE | REFERENCES | SERVERS
