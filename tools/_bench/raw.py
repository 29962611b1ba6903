"""Raw: the product's own schema and statements straight on apsw, with none of its Python around.

These are the floors and ceilings that the product is held against, in one loop on one thread.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import apsw

from sprag.queue.file.checkpoints import PAGE_BYTES
from sprag.queue.sql.statements import SCHEMA, STATEMENTS

from .busy import busy_threads
from .measures import DEADLINE_SECONDS, Result, pauses, spread
from .subjects import SYNCHRONOUS, expect, verify

QUEUE = "bench"
ITEM = '{"n":1}'
ENQUEUE, ENQUEUE_MANY, CLAIM, FINISH = (
    STATEMENTS[name] for name in ("enqueue", "enqueue_many", "claim", "finish")
)
PARAMETERS = tuple(dict.fromkeys(re.findall(r":(\w+)", ENQUEUE)))
OWNER = 1


def life(folder: Path, sync: str, *, jobs: int, together: int) -> Result:
    """Jobs a second that are enqueued, started and completed, `together` in each transaction."""
    connection = _open(folder, sync)
    batches = [new_rows(together) for _ in range(jobs // together)]
    started = time.perf_counter()
    for rows in batches:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(ENQUEUE_MANY, enqueued(rows))
        runs = connection.execute(CLAIM, claimed(together)).fetchall()
        connection.execute(FINISH, finished([(run[0], run[1], "complete", "null") for run in runs]))
        connection.execute("COMMIT")
    seconds = time.perf_counter() - started
    _check(connection, sync, "completed", jobs)
    return {"rate": jobs / seconds}


def enqueue(folder: Path, sync: str, *, jobs: int) -> Result:
    """Commits a second of one job each: the product's INSERT alone, in autocommit."""
    connection = _open(folder, sync)
    bindings = [enqueued_alone(*new_rows(1)) for _ in range(jobs)]
    started = time.perf_counter()
    for binding in bindings:
        connection.execute(ENQUEUE, binding)
    seconds = time.perf_counter() - started
    _check(connection, sync, "queued", jobs)
    return {"rate": jobs / seconds}


def pickup(folder: Path, sync: str, *, samples: int) -> Result:
    """The floor of an idle pickup: one commit of enqueue and start, then one wake of a thread.

    With the same pauses between as the product and its peers have.
    """
    connection = _open(folder, sync)
    bindings = [enqueued_alone(*new_rows(1)) for _ in range(samples)]
    woken_at: list[float] = []
    awake = threading.Semaphore(0)
    bell = threading.Lock()
    bell.acquire()

    def sleeper() -> None:
        for _ in range(samples):
            bell.acquire()
            woken_at.append(time.perf_counter())
            awake.release()

    threading.Thread(target=sleeper).start()
    time.sleep(0.3)
    began_at: list[float] = []
    for pause, binding in zip(pauses(samples), bindings, strict=True):
        time.sleep(pause)
        began_at.append(time.perf_counter())
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(ENQUEUE, binding)
        connection.execute(CLAIM, claimed(1)).fetchall()
        connection.execute("COMMIT")
        bell.release()
        awake.acquire(timeout=DEADLINE_SECONDS)
    _check(connection, sync, "running", samples)
    return spread([b - a for a, b in zip(began_at, woken_at, strict=True)])


def enqueue_beside_busy(folder: Path, sync: str, *, samples: int, threads: int) -> Result:
    """Seconds of one raw one-statement commit beside `threads` threads of pure Python."""
    connection = _open(folder, sync)
    bindings = [enqueued_alone(*new_rows(1)) for _ in range(samples)]
    seconds: list[float] = []
    with busy_threads(threads):
        for binding in bindings:
            started = time.perf_counter()
            connection.execute(ENQUEUE, binding)
            seconds.append(time.perf_counter() - started)
    _check(connection, sync, "queued", samples)
    return spread(seconds)


# ---------------------------------------------------------------- bindings


def new_rows(count: int) -> tuple[str, ...]:
    """`count` jobs as the statement wants them: 32 hexadecimal digits of id, then the item."""
    moment = time.time_ns() // 1000
    noise = os.urandom(10 * count).hex()
    return tuple(f"{moment:013x}{noise[20 * n : 20 * n + 19]}{ITEM}" for n in range(count))


def enqueued(rows: tuple[str, ...]) -> dict[str, Any]:
    """The parameters that accept `rows`."""
    return {**_asked(), "jobs": apsw.carray(rows)}


def enqueued_alone(row: str) -> tuple[Any, ...]:
    """The parameters that accept one row, as the product passes them: in their order."""
    bindings = {**_asked(), "id": row[:32], "item": row[32:]}
    return tuple(bindings[name] for name in PARAMETERS)


def _asked() -> dict[str, Any]:
    """The options of a job; NULL for whatever else the statement may take."""
    now = time.time()
    return {
        **dict.fromkeys(PARAMETERS),
        "queue": QUEUE,
        "priority": 0,
        "max_attempts": 1,
        "max_crashes": 3,
        "waiting": 0,
        "now": now,
        "due_at": now,
    }


def claimed(count: int) -> dict[str, Any]:
    """The parameters that start up to `count` jobs."""
    return {"queue": QUEUE, "owner": OWNER, "now": time.time(), "count": count}


def finished(outcomes: Sequence[tuple[Any, ...]]) -> dict[str, Any]:
    """The parameters that store ``(key, starts, event, result, error)`` of some runs."""
    return {"outcomes": json.dumps(outcomes), "owner": OWNER, "now": time.time()}


# ---------------------------------------------------------------- the file


def _open(folder: Path, sync: str) -> apsw.Connection:
    connection = apsw.Connection(str(folder / "raw.db"))
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {SYNCHRONOUS[sync]}")
    connection.execute("PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON")
    # Without it a statement may be planned anew whenever other values are bound.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    connection.execute(SCHEMA)
    return connection


def settings(connection: apsw.Connection) -> tuple[str, int]:
    """``(journal_mode, synchronous)`` as the connection itself reports them."""
    journal = connection.execute("PRAGMA journal_mode").get
    return journal, connection.execute("PRAGMA synchronous").get


def _check(connection: apsw.Connection, sync: str, status: str, jobs: int) -> None:
    verify([settings(connection)], sync)
    found = connection.execute("SELECT count(*) FROM job WHERE status = ?", (status,)).get
    expect(f"{status} jobs", found, jobs)


MEASURES: dict[str, Callable[..., Result]] = {
    "life": life,
    "enqueue": enqueue,
    "pickup": pickup,
    "enqueue beside busy": enqueue_beside_busy,
}
