"""Peers: other durable queues on SQLite, each driven through its own public surface.

Each runs in WAL mode with `PRAGMA synchronous` set on the very connections it writes with, and
keeps its other defaults. Modules are imported by name, so that a child process loads one peer only.

Not all keep the same promise. Those in `DURABLE` commit the end of a job, as sprag does. The
`REFERENCES` are shown, not judged against: two delete a job when it is taken and write nothing at
its end, so a drain costs them one commit a job and a crash in a handler loses the job; one goes
through the file with a cursor, which comes back to a job that was given up only after a full round.
"""

from __future__ import annotations

import importlib
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from .subjects import SYNCHRONOUS, WORKERS, Handler, Subject, expect

POLL_SECONDS = 0.001
"""Pause of a worker of a queue that can only be polled: far shorter than anybody's, in its favour."""


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
        _set_synchronous(self._huey.storage.conn, sync)
        self._tally = Tally()
        self._results = outcomes
        self._handler: Handler = lambda: None
        self._task: Any = self._huey.task(name="job")(lambda: self._handler())
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
        expect("tasks left", _count(self._path, "SELECT count(*) FROM task"), 0)
        results = _count(self._path, "SELECT count(*) FROM kv")
        expect("results stored", results, jobs if self._results else 0)

    def settings(self) -> Sequence[tuple[str, int]]:
        return [_settings(self._huey.storage.conn)]


class Store(Protocol):
    """A queue without a consumer of its own; a job that was taken is settled when it is done."""

    def put(self) -> None: ...
    def put_many(self, count: int) -> None: ...
    def take(self) -> Any:
        """The next job as the store gives it, or None after a short wait."""

    def settle(self, taken: Any) -> None: ...
    def left(self) -> int: ...
    def connections(self) -> list[sqlite3.Connection]: ...


class Threaded:
    """A store with the plainest worker threads around it: take, handle, settle."""

    def __init__(self, store: Store, sync: str) -> None:
        self._store = store
        self._tally = Tally()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        for connection in store.connections():
            _set_synchronous(connection, sync)

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
        return [_settings(connection) for connection in self._store.connections()]


class PersistQueue:
    """persist-queue: a blocking get(), two connections, a lock of its own around each.

    SQLiteAckQueue marks the row in get() and again in ack(); SQLiteQueue deletes it in get(),
    which leaves nothing to settle. With `cursor` each thread asks for the item after its last one,
    which spares the scan over those that are acknowledged. There is no call for many items.
    """

    def __init__(self, folder: Path, *, acknowledged: bool, cursor: bool = False) -> None:
        module = importlib.import_module("persistqueue")
        self._empty: type[Exception] = module.Empty
        self._path = folder / "data.db"
        self._acknowledged = acknowledged
        self._cursor = threading.local() if cursor else None
        make = module.SQLiteAckQueue if acknowledged else module.SQLiteQueue
        self._queue: Any = make(str(folder), multithreading=True)

    def put(self) -> None:
        self._queue.put({"n": 1})

    def put_many(self, count: int) -> None:
        for _ in range(count):
            self.put()

    def take(self) -> Any:
        last = getattr(self._cursor, "last", None)
        options = {} if last is None else {"id": last, "next_in_order": True}
        try:
            taken = self._queue.get(timeout=0.25, raw=True, **options)
        except self._empty:
            return None
        if self._cursor is not None:
            self._cursor.last = taken["pqid"]
        return taken

    def settle(self, taken: Any) -> None:
        if self._acknowledged:
            self._queue.ack(id=taken["pqid"])

    def left(self) -> int:
        if self._acknowledged:
            return _count(self._path, "SELECT count(*) FROM ack_queue_default WHERE status <> 5")
        return _count(self._path, "SELECT count(*) FROM queue_default")

    def connections(self) -> list[sqlite3.Connection]:
        return [self._queue._putter, self._queue._getter]


class LiteQueue:
    """litequeue: pop() and done() on one connection, which its callers must keep apart themselves.

    It sets synchronous=NORMAL by itself, which is overridden here. It has no way to wait.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "lite.db"
        self._queue: Any = importlib.import_module("litequeue").LiteQueue(str(self._path))
        self._lock = threading.Lock()

    def put(self) -> None:
        with self._lock:
            self._queue.put('{"n": 1}')

    def put_many(self, count: int) -> None:
        with self._lock, self._queue.transaction():
            for _ in range(count):
                self._queue.put('{"n": 1}')

    def take(self) -> Any:
        with self._lock:
            message = self._queue.pop()
        if message is None:
            time.sleep(POLL_SECONDS)
        return message

    def settle(self, taken: Any) -> None:
        with self._lock:
            self._queue.done(taken.message_id)

    def left(self) -> int:
        return _count(self._path, "SELECT count(*) FROM Queue WHERE status <> 2")

    def connections(self) -> list[sqlite3.Connection]:
        return [self._queue.conn]


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


def _set_synchronous(connection: sqlite3.Connection, sync: str) -> None:
    connection.execute(f"PRAGMA synchronous={SYNCHRONOUS[sync]}")
    # macOS: without these a sync does not reach the disk; sprag sets them too.
    connection.execute("PRAGMA fullfsync=ON")
    connection.execute("PRAGMA checkpoint_fullfsync=ON")


def _settings(connection: sqlite3.Connection) -> tuple[str, int]:
    (journal,) = connection.execute("PRAGMA journal_mode").fetchone()
    (synchronous,) = connection.execute("PRAGMA synchronous").fetchone()
    return str(journal), int(synchronous)


def _count(path: Path, sql: str) -> int:
    """One number from a peer's file, read with a connection of our own."""
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute(sql).fetchone()[0])
    finally:
        connection.close()


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

PEERS = DURABLE | REFERENCES
