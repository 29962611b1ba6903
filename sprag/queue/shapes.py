"""The shapes of jobs, moves and schedules as JSON: what every tier says of them in the same
words."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from .agenda import Plan
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
        "task": job.task,
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


def plan_shape(plan: Plan) -> dict[str, Any]:
    """A schedule, as operators see it."""
    return {
        "queue": plan.queue,
        "name": plan.name,
        "definition": _stored(plan.definition),
        "words": plan.words,
        "item": _stored(plan.item_json),
        "last": plan.last,
        "last_job": plan.last_job,
        "next": plan.next,
        "late": plan.late,
        "paused": None if plan.paused is None else plan.paused._asdict(),
        "alive": plan.alive,
        "problem": plan.problem,
    }


def _stored(text: str) -> Any:
    # Never decoded: that would need the modules of the dataclasses in it.
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text  # JSON for SQLite, but too deep or too long a number for Python
