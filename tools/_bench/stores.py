"""Stores: peers that have no consumer of their own, through their own public surface."""

from __future__ import annotations

import importlib
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any, Protocol

from .connection import number

POLL_SECONDS = 0.01
"""Pause of a worker of a queue that can only be polled: four of them look 400 times a second."""


class Store(Protocol):
    """A queue without a consumer of its own; a job that was taken is settled when it is done."""

    def put(self) -> None: ...
    def put_many(self, count: int) -> None: ...
    def take(self) -> Any:
        """The next job as the store gives it, or None after a short wait."""

    def settle(self, taken: Any) -> None: ...
    def left(self) -> int: ...
    def connections(self) -> list[sqlite3.Connection]: ...


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
            return number(self._path, "SELECT count(*) FROM ack_queue_default WHERE status <> 5")
        return number(self._path, "SELECT count(*) FROM queue_default")

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
        return number(self._path, "SELECT count(*) FROM Queue WHERE status <> 2")

    def connections(self) -> list[sqlite3.Connection]:
        return [self._queue.conn]
