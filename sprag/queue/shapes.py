"""The shapes of jobs and moves as JSON: what every tier says of them in the same words."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from .job import Job, Transition
from .states import TERMINAL
from .store.glances import Glance


def job_shape(job: Job | Glance) -> dict[str, Any]:
    """What pages, the dashboard and the terminal all say of a job. Times are unix seconds. Each
    adds the item, the result and the error in the form that its readers need."""
    if isinstance(job, Job):
        finished_at = job.finished_at
    else:
        finished_at = job.moved_at if job.status in TERMINAL else None
    return {
        "id": job.id,
        "queue": job.queue,
        "label": job.label,
        "status": job.status,
        "progress": None if job.progress is None else job.progress.to_dict(),
        "attempt": job.attempt,
        "max_attempts": job.max_attempts,
        "crashes": job.crashes,
        "priority": job.priority,
        "cancel_requested": job.status in ("cancelling", "cancelled"),
        "created_at": job.created_at,
        "due_at": job.due_at,
        "started_at": job.started_at,
        "finished_at": finished_at,
    }


def more_shape(job: Job) -> dict[str, Any]:
    """What else the dashboard and the terminal say of a job that is shown by itself."""
    return {
        "starts": job.starts,
        "unique": job.unique,
        "unique_for": job.unique_for,
        "unique_until": job.unique_until,
        "time_limit": job.time_limit,
        "overdue": job.overdue,
    }


def move_shape(move: Transition) -> dict[str, Any]:
    """A row of the journal, as operators see it."""
    return {
        "seq": move.seq,
        "event": move.event,
        "from_status": move.from_status,
        "to_status": move.to_status,
        "attempt": move.attempt,
        "owner": move.owner,
        "at": move.at,
        "due_at": move.due_at,
        "error": None if move.error is None else asdict(move.error),
    }
