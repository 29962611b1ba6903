"""Do everything that takes the queue's locks, and print which was taken while which was held.

    lock_order.py FOLDER

Prints one JSON object: "locks", the name of each lock that was made, and "pairs", each [held,
taken]. A lock's name is that of its module and its variable.
"""

from __future__ import annotations

import asyncio
import functools
import json
import linecache
import logging
import os
import re
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

_PACKAGE = f"{os.sep}sprag{os.sep}queue{os.sep}"
_MADE = re.compile(r"(\w+)(?:: \w+)? = threading\.R?Lock\(\)")
# Not locks: one is what a thread sleeps on, one is the mark of a single thread.
_OTHERS = {"wakeup._unset", "inside.inside"}

locks: set[str] = set()
pairs: set[tuple[str, str]] = set()


class _Held(threading.local):
    def __init__(self) -> None:
        self.names: list[str] = []


held = _Held()


class Recording:
    """A lock that notes what its thread holds when it is taken."""

    def __init__(self, lock: Any, name: str) -> None:
        self._lock = lock
        self._name = name

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if blocking and timeout < 0 and self._name not in held.names:
            pairs.update((other, self._name) for other in held.names)
        taken: bool = self._lock.acquire(blocking, timeout)
        if taken:
            held.names.append(self._name)
        return taken

    def release(self) -> None:
        self._lock.release()
        if self._name in held.names:  # by the thread that took it, unless that has forked
            held.names.reverse()
            held.names.remove(self._name)
            held.names.reverse()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lock, name)


def recording(make: Callable[[], Any]) -> Callable[[], Any]:
    def made() -> Any:
        frame = sys._getframe(1)
        path, line = frame.f_code.co_filename, frame.f_lineno
        found = _MADE.search(linecache.getline(path, line))
        if _PACKAGE not in path or found is None:
            return make()
        name = f"{Path(path).stem}.{found[1]}"
        if name in _OTHERS:
            return make()
        locks.add(name)
        return Recording(make(), name)

    return made


threading.Lock = recording(threading.Lock)  # type: ignore[assignment]
threading.RLock = recording(threading.RLock)  # type: ignore[assignment]

from sprag.queue import QueueService, WaitTimeout  # noqa: E402  # now its locks are recorded
from sprag.queue.operators import Sparing, open_file, stop_together  # noqa: E402

SECONDS = 60.0


class Plain(QueueService):
    name = "plain"
    worker_count = 3
    max_attempts = 2
    backoff = 0.01

    def handle_item(self, item: Any) -> Any:
        self.report_progress(1, 2)
        if item == "fails":
            raise ValueError(item)
        if item == "long":
            while True:
                self.check_cancelled()
                time.sleep(0.005)
        return item


class Async(QueueService):
    name = "async"

    async def handle_item(self, item: Any) -> Any:
        await asyncio.sleep(0)
        return item


def at_once(*calls: Callable[[], object]) -> None:
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
        assert not thread.is_alive()


def jobs(queue: Plain) -> None:
    ids = [queue.enqueue(n, delay=0.01 * (n % 3)).id for n in range(20)]
    ids += [job.id for job in queue.enqueue_many(["fails", 1, 2])]
    for id_ in ids:
        queue.wait(id_, SECONDS)
    long = queue.enqueue("long")
    try:
        queue.wait(long.id, 0.2)
    except WaitTimeout:
        queue.cancel(long.id)
    queue.wait(long.id, SECONDS)
    queue.requeue(ids[20])
    queue.wait(ids[20], SECONDS)


def forks() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def main(folder: Path) -> None:
    logging.disable()
    path = folder / "jobs.db"
    plain, other = Plain(database=path), Async(database=path)
    told: list[int] = []
    with plain, other:
        with plain.subscribe(lambda signal: told.append(signal["seq"]), after=0):
            at_once(
                lambda: jobs(plain),
                lambda: jobs(plain),
                lambda: other.wait(other.enqueue(1).id, SECONDS),
                forks,
                lambda: plain.backup(folder / "copy.db"),
            )
        asyncio.run(awaited(other))
        file = open_file(str(path), busy_seconds=SECONDS)
        Sparing(file.processes)()
        file.close()
        plain.prune(keep=1)
        forks()
    at_once(plain.start, other.start, functools.partial(plain.stop, 0))
    stop_together([plain, other])
    assert told
    print(json.dumps({"locks": sorted(locks), "pairs": sorted(pairs)}))


async def awaited(queue: Async) -> None:
    jobs = [await queue.aenqueue(n) for n in range(3)]
    await asyncio.gather(*(queue.await_job(job.id, SECONDS) for job in jobs))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
