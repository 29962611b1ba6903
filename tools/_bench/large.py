"""Large files: a million jobs, made through legal moves, and what it costs to live with them."""

from __future__ import annotations

import json
import os
import random
import signal
import statistics
import threading
import time
from collections.abc import Callable
from contextlib import closing
from itertools import count, repeat
from pathlib import Path
from typing import cast

import apsw

from sprag.queue import STATUSES
from sprag.queue.file.checkpoints import Durability
from sprag.queue.sql.statements import STATEMENTS

from . import raw
from .measures import Result, spread, wait
from .product import FILE, ITEM, UNFINISHED, BenchQueue, open_queue
from .subjects import WORKERS, expect

BATCH = 10_000
FAILED_OF_100 = 5
CANCELLED_OF_100 = 5
ERROR = json.dumps({"type": "ValueError", "message": "expected a number", "traceback": "..."})


def make_queued(folder: Path, sync: str, *, jobs: int) -> Result:
    """A file with `jobs` queued jobs, by the product's own statement. Nothing is timed."""
    open_queue(folder, sync).stop()
    batch = min(jobs, BATCH)
    with closing(_builder(folder)) as connection:
        for _ in range(jobs // batch):
            connection.execute(raw.ENQUEUE_MANY, raw.enqueued(raw.new_rows(batch)))
        _finish(connection, {"queued": jobs})
    return {}


def make_finished(folder: Path, sync: str, *, jobs: int) -> Result:
    """A file with `jobs` finished jobs: 90 % completed, 5 % failed, 5 % cancelled. Not timed.

    Each went through its moves, made by the product's own statements, and has its journal rows.
    """
    open_queue(folder, sync).stop()
    batch = min(jobs, BATCH)
    with closing(_builder(folder)) as connection:
        for _ in range(jobs // batch):
            with connection:
                _live(connection, raw.new_rows(batch))
        failed, cancelled = jobs * FAILED_OF_100 // 100, jobs * CANCELLED_OF_100 // 100
        completed = jobs - failed - cancelled
        _finish(connection, {"completed": completed, "failed": failed, "cancelled": cancelled})
    return {}


def _live(connection: apsw.Connection, rows: tuple[str, ...]) -> None:
    """Take one batch from its enqueue to its end."""
    connection.execute(raw.ENQUEUE_MANY, raw.enqueued(rows))
    now = time.time()
    for row in rows[:: 100 // CANCELLED_OF_100]:
        connection.execute(STATEMENTS["cancel"], {"id": row[:32], "queue": raw.QUEUE, "now": now})
    runs = connection.execute(raw.CLAIM, raw.claimed(len(rows))).fetchall()
    failing = len(rows) * FAILED_OF_100 // 100
    outcomes: list[tuple[object, ...]] = [
        (key, starts, "fail", None, ERROR) for key, starts, *_ in runs[:failing]
    ]
    outcomes += [(key, starts, "complete", "null") for key, starts, *_ in runs[failing:]]
    connection.execute(raw.FINISH, raw.finished(outcomes))


def _builder(folder: Path) -> apsw.Connection:
    """A connection that is fast rather than safe, until `_finish`."""
    connection = apsw.Connection(str(folder / FILE))
    connection.execute("PRAGMA synchronous = OFF; PRAGMA cache_size = -500000")
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    return connection


def _finish(connection: apsw.Connection, wanted: dict[str, int]) -> None:
    counted = "SELECT status, count(*) FROM job GROUP BY status"
    found: dict[object, object] = {row[0]: row[1] for row in connection.execute(counted)}
    expect("jobs of the file", found, wanted)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


# ---------------------------------------------------------------- measures


def drain_part(folder: Path, sync: str, *, queued: int, handle: int) -> Result:
    """Jobs a second from the first handler to the `handle`-th, with `queued` jobs put in before.

    With `queued` 0 the file is taken with the backlog it has.
    """
    queue = open_queue(folder, sync)
    if queued:
        queue.enqueue_many(repeat(ITEM, queued))
    before = queue.counts()
    numbers = count(1)
    times: dict[int, float] = {}
    enough = threading.Event()

    def handler(queue: BenchQueue) -> None:
        number = next(numbers)
        if number in {1, handle}:
            times[number] = time.perf_counter()
        if number == handle:
            enough.set()
        while number > handle:
            # Given back by the stop, however late it comes: the next measure needs its jobs.
            queue.check_cancelled()
            time.sleep(0.001)

    queue.handler = handler
    queue.start()
    wait(enough, "the last handler")
    queue.stop(0)
    queue = open_queue(folder, sync)
    after = queue.counts()
    queue.stop()
    expect("completed jobs", after["completed"] - before["completed"], handle)
    expect("queued jobs", after["queued"], before["queued"] - handle)
    return {"rate": (handle - 1) / (times[handle] - times[1])}


def look(folder: Path, sync: str, *, samples: int) -> Result:
    """Seconds of get(job_id) for random jobs, and of pages of jobs() from the newest on.

    Medians; `page` is that of the status, or of all together, where a page takes longest.
    """
    queue = open_queue(folder, sync)
    status = [_timed(lambda id_=id_: queue.get(id_)) for id_ in _random_ids(folder, samples)]  # type: ignore[misc]
    pages = []
    for chosen in (None, *STATUSES):
        seconds: list[float] = []
        after: str | None = None
        for _ in range(max(samples // 10, 5)):
            started = time.perf_counter()
            page = queue.jobs(chosen, after=after)
            seconds.append(time.perf_counter() - started)
            after = page.next
        pages.append(statistics.median(seconds))
    queue.stop()
    return {
        "status": statistics.median(status),
        "status p99": spread(status)["p99"],
        "page": max(pages),
    }


def _random_ids(folder: Path, samples: int) -> list[str]:
    with closing(apsw.Connection(str(folder / FILE))) as connection:
        last: int = connection.execute("SELECT max(key) FROM job").get
        keys = random.Random(0).sample(range(1, last + 1), samples)
        return [connection.execute("SELECT id FROM job WHERE key = ?", (k,)).get for k in keys]


def _timed(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def crash(folder: Path, sync: str) -> Result:
    """Leave the file as kill -9 leaves it: jobs running, 1,000 queued, commits in the WAL only."""
    signs, signal_ = os.pipe()
    child = os.fork()
    if child == 0:
        _run_until_killed(folder, sync, signal_)
    os.close(signal_)
    running = os.read(signs, 1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    expect("word from the process before it was killed", running, b"!")
    return {}


def _run_until_killed(folder: Path, sync: str, signal_: int) -> None:
    """Never returns; an error ends the child, which its parent notices."""
    try:
        running = threading.Semaphore(0)

        def handler(_queue: BenchQueue) -> None:
            running.release()
            threading.Event().wait()

        queue = open_queue(folder, sync)
        queue.handler = handler
        queue.enqueue_many(repeat(ITEM, 1000))
        queue.start()
        for _ in range(WORKERS):
            running.acquire()
        os.write(signal_, b"!")
        threading.Event().wait()
    finally:
        os._exit(1)


def reopen(folder: Path, sync: str) -> Result:
    """Seconds from the constructor until the jobs of the killed process run again: `recovered`.

    That is opening, recovery and the start of the workers. The rest is drained afterwards.
    """
    with closing(apsw.Connection(str(folder / FILE))) as connection:
        running = "SELECT id FROM job WHERE queue = ? AND status = 'running'"
        killed = {id_ for (id_,) in connection.execute(running, (raw.QUEUE,))}
    expect("jobs of the killed process", len(killed), WORKERS)
    missing = set(killed)
    again = threading.Event()

    def handler(queue: BenchQueue) -> None:
        missing.discard(queue.current_job.id)
        if not missing:
            again.set()

    started = time.perf_counter()
    queue = BenchQueue(database=folder / FILE, durability=cast("Durability", sync))
    queue.handler = handler
    queue.start()
    opened = time.perf_counter() - started
    wait(again, "a run of every job of the killed process")
    recovered = time.perf_counter() - started
    while queue.jobs(UNFINISHED, limit=1).jobs:
        time.sleep(0.01)
    expect("crashes", {queue.get(id_).crashes for id_ in killed}, {1})
    queue.stop()
    return {"opened": opened, "recovered": recovered}
