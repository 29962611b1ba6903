"""Queues whose jobs wait although no process runs them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from ..errors import QueueError
from ..job import Job
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


def unknown_tasks(
    store: Store, folder: Path, queues: Iterable[str] = ()
) -> dict[str, dict[str | None, int]]:
    """Count the ready jobs of each task that none of the processes that run its queue knows, of
    these queues or all. None stands for jobs that belong to no task."""
    processes, now = processes_of(store, folder), store.clock()
    found: dict[str, dict[str | None, int]] = {}
    for queue in tuple(queues) or store.jobs.queues():
        if _is_run(queue, processes, now):
            ready = store.jobs.ready_by_task(queue, MOST + 1)
            unknown = {
                task: n for task, n in ready.items() if not _knows(queue, task, processes, now)
            }
            if unknown:
                found[queue] = unknown
    return found


def is_unknown(store: Store, folder: Path, queue: str, task: str | None) -> bool:
    """True if processes run the queue, and none of them knows the task."""
    processes, now = processes_of(store, folder), store.clock()
    return _is_run(queue, processes, now) and not _knows(queue, task, processes, now)


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


def why_it_waits(engine: Engine, job: Job) -> str | None:
    """What is said of a queued job whose queue is paused, or whose task no process knows; None if
    that cannot be read."""
    if job.status != "queued":
        return None
    try:
        paused = engine.store.pauses.of(job.queue)
        if paused is not None:
            why = f" ({paused.reason})" if paused.reason else ""
            return (
                f"queue {job.queue!r} is paused{why}. Call resume(), or run `sprag resume "
                f"{job.queue}`"
            )
        unknown = is_unknown(engine.store, engine.folder, job.queue, job.task)
    except QueueError:
        return None
    return words_of_task(job.task) if unknown else None


def words(count: int) -> str:
    """A sentence: how many jobs wait, and that no process runs the queue."""
    return f"{_waiting(count)} and no process runs this queue"


def words_of_task(task: str | None) -> str:
    """A sentence: that no process knows the task, or that none has a handle_item."""
    if task is None:
        return "no process here runs jobs without a task"
    return f"no process here knows task {task}"


def waiting_for(task: str | None, count: int) -> str:
    """Like `words_of_task`, after how many jobs wait for it."""
    return f"{_waiting(count)}: {words_of_task(task)}"


def _waiting(count: int) -> str:
    jobs = "1 job waits" if count == 1 else f"{count:,} jobs wait"
    if count > MOST:
        jobs = f"more than {MOST:,} jobs wait"
    return jobs


def _is_run(queue: str, processes: Iterable[Process], now: float) -> bool:
    return any(
        queue in process.workers or _may_run_any(process, now)
        for process in processes
        if process.state in ("alive", "unknown")
    )


def _knows(queue: str, task: str | None, processes: Iterable[Process], now: float) -> bool:
    return any(
        process.runs(queue, task) or _may_run_any(process, now)
        for process in processes
        if process.state in ("alive", "unknown")
    )


def _may_run_any(process: Process, now: float) -> bool:
    """True if it has just started, and has not said yet what it runs."""
    return not process.workers and now - (process.started_at or 0.0) < _START_SECONDS
