"""Queues whose jobs wait although no process runs them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from ..errors import QueueError
from ..liveness.processes import Process, processes_of
from ..store.store import Store
from .engine import Engine

MOST: Final = 1000
"""Waiting jobs are counted up to this number plus one."""
# A process says which queues it runs within moments of its start.
_START_SECONDS: Final = 2.0


def unattended(store: Store, folder: Path, queues: Iterable[str] = ()) -> dict[str, int]:
    """Count the waiting jobs of each queue that no process runs, among these queues or all. Those
    that are paused are left out: a process that ran them would start nothing.

    `folder` has the lock files of the file's processes. A process that cannot be judged counts as
    alive.
    """
    processes, paused = processes_of(store, folder), store.pauses.all()
    found = {}
    for queue in tuple(queues) or store.jobs.queues():
        if queue not in paused and not _is_run(queue, processes, store.clock()):
            waiting = store.jobs.queued(queue, MOST + 1)
            if waiting:
                found[queue] = waiting
    return found


def is_unattended(engine: Engine, queue: str) -> bool:
    """True if no process runs the queue, including this one, and it is not paused. False if that
    cannot be read."""
    try:
        return not (
            engine.crew.count(queue)
            or is_run_elsewhere(engine, queue)
            or engine.store.pauses.of(queue)
        )
    except QueueError:
        return False


def is_run_elsewhere(engine: Engine, queue: str) -> bool:
    """True if another process runs the queue, or has just started and may be about to."""
    others = [
        process
        for process in processes_of(engine.store, engine.folder)
        if process.id != engine.owner
    ]
    return _is_run(queue, others, engine.store.clock())


def words(count: int) -> str:
    """A sentence: how many jobs wait, and that no process runs the queue."""
    jobs = "1 job waits" if count == 1 else f"{count:,} jobs wait"
    if count > MOST:
        jobs = f"more than {MOST:,} jobs wait"
    return f"{jobs} and no process runs this queue"


def _is_run(queue: str, processes: Iterable[Process], now: float) -> bool:
    return any(
        queue in process.workers
        or (not process.workers and now - (process.started_at or 0.0) < _START_SECONDS)
        for process in processes
        if process.state in ("alive", "unknown")
    )
