"""Crashing a handler wherever it can, to show that running it again does no harm."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from sprag.queue import Job, QueueService
from sprag.queue.byhand import Worker, enqueue_task, mark

from .draining import drain

Check = Callable[[QueueService, Job], Any]

# A job may lose so many processes: it is to be run again in any case.
_CRASHES: Final = 100


def effect(name: str) -> None:
    """Mark a point of a handler, such as one just after something outside of the queue was changed.
    `crash_everywhere` crashes there, too; everywhere else this does nothing."""
    mark(f"effect({name!r})")


def crash_everywhere(
    make: Callable[..., QueueService],
    item: Any,
    *,
    task: str | None = None,
    check: Check = lambda _queue, job: job.result,
) -> list[str]:
    """Show that a handler may be run again after a crash, wherever that happens.

    A job with this item, of this task, is run once without a crash. Then for each point that its
    handler has passed, a new queue, a new file and a new job: the process "dies" at that point,
    the job is recovered, and run again to its end. `check(queue, job)` then returns what must be
    as it was without the crash (by default, the result of the job), or asserts something itself.

    The points are every `report_progress()`, every `check_cancelled()`, every `effect(…)`, and the
    end, when the handler has returned and that is not stored yet. Returns their names.

    `make(database=…)` returns a queue: its class will do, if its construction makes anew whatever
    the handler changes outside of the queue. The crash is a BaseException, and raised again at
    each further point; unlike in a real one, `finally` blocks run.

    Raises AssertionError, which says for each point what differed.
    """
    with TemporaryDirectory(prefix="sprag-") as folder:
        points = list[str]()
        expected = _run(make, Path(folder) / "0.db", item, task, check, None, points)
        problems = []
        for number, point in enumerate(points, 1):
            passed = list[str]()
            where = f"after a crash at point {number} of {len(points)}, {point}"
            file = Path(folder) / f"{number}.db"
            try:
                value = _run(make, file, item, task, check, number, passed)
            except Exception as error:  # noqa: BLE001  # of the check, or of the job: told below
                problems.append(f"{where}: {type(error).__name__}: {error}")
                continue
            if passed[:number] != points[:number]:
                others = ", ".join(passed)
                problems.append(
                    f"{where}: expected the same points in each run, got {others}; the crash was "
                    "elsewhere, and nothing is shown"
                )
            elif value != expected:
                problems.append(
                    f"{where}: expected {expected!r}, as without a crash, got {value!r}"
                )
    if problems:
        raise AssertionError("\n".join(["the handler cannot be run again safely:", *problems]))
    return points


def _run(
    make: Callable[..., QueueService],
    file: Path,
    item: Any,
    task: str | None,
    check: Check,
    crash_at: int | None,
    passed: list[str],
) -> Any:
    """Run one job to its end, with a crash at the point of this number; what the check returns."""

    def point(name: str) -> bool:
        passed.append(name)
        return crash_at is not None and len(passed) >= crash_at

    queue = make(database=file)
    try:
        if task is None:
            job = queue.enqueue(item, max_crashes=_CRASHES)
        else:
            [job] = enqueue_task(queue, task, [item], max_crashes=_CRASHES)
        with Worker(queue, point) as worker:
            worker.step(job.id)
        if crash_at is not None:
            queue.stop()  # what is open of the process that died
            drain(queue)
        job = queue.get(job.id)
        if job.status != "completed":
            error = job.error
            told = "" if error is None else f": {error.type}: {error.message}"
            raise AssertionError(f"expected the job to be completed, got {job.status}{told}")
        return check(queue, job)
    finally:
        queue.stop()
