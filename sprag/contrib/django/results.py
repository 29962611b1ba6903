"""Jobs as results of Django's tasks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from django.conf import settings
from django.utils import timezone

from ...queue import Job, JobError, Status, Transition
from .names import TaskError, TaskResult, TaskResultStatus

_STATUSES: Final[dict[Status, Any]] = {
    "queued": TaskResultStatus.READY,
    "running": TaskResultStatus.RUNNING,
    "cancelling": TaskResultStatus.RUNNING,
    "completed": TaskResultStatus.SUCCESSFUL,
    "failed": TaskResultStatus.FAILED,
    "cancelled": TaskResultStatus.FAILED,
}


def result_of(job: Job, moves: Sequence[Transition], task: Any, backend: str) -> Any:
    """The job as Django knows it. `moves` are its history; none for a job that is new."""
    starts = [move for move in moves if move.event == "start"]
    item = job.item
    made = TaskResult(
        task=task.using(priority=job.priority, queue_name=job.queue),
        id=job.id,
        status=_STATUSES[job.status],
        enqueued_at=_moment(job.created_at),
        started_at=_moment(starts[0].at) if starts else None,
        finished_at=_moment(job.finished_at),
        last_attempted_at=_moment(starts[-1].at) if starts else None,
        args=item["args"],
        kwargs=item["kwargs"],
        backend=backend,
        errors=[_error(move.error) for move in moves if move.error is not None],
        worker_ids=[str(move.owner) for move in starts],
    )
    object.__setattr__(made, "_return_value", job.result)
    return made


def _moment(at: float | None) -> datetime | None:
    if at is None:
        return None
    moment = datetime.fromtimestamp(at, UTC)
    naive: datetime = timezone.make_naive(moment)
    return moment if settings.USE_TZ else naive


def _error(error: JobError) -> Any:
    """With the path of the exception's class, which the last line of its traceback begins with."""
    last = next((line for line in reversed(error.traceback.splitlines()) if error.type in line), "")
    path = last.partition(":")[0].strip()
    if not path.endswith(error.type) or " " in path or "." not in path:
        path = f"builtins.{error.type}"
    return TaskError(exception_class_path=path, traceback=error.traceback)
