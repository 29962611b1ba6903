"""The JSON forms of jobs and transitions. Scripts rely on them: add fields, never remove one."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from ..queue import Job, Transition


def job_shape(job: Job, *, lost: bool) -> dict[str, Any]:
    """Return a job. Item and result are as stored: other types are tagged, {"$tuple": [1, 2]}.

    `lost` says that the process that ran it died: its status is still the one of that run.
    """
    return {
        "id": job.id,
        "queue": job.queue,
        "label": job.label,
        "status": job.status,
        "lost": lost,
        "item": _stored(job.item_json),
        "result": None if job.result_json is None else _stored(job.result_json),
        "error": None if job.error is None else asdict(job.error),
        "progress": None if job.progress is None else job.progress.to_dict(),
        "attempt": job.attempt,
        "max_attempts": job.max_attempts,
        "crashes": job.crashes,
        "priority": job.priority,
        "cancel_requested": job.cancel_requested,
        "created_at": job.created_at,
        "due_at": job.due_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
    }


def transition_shape(move: Transition) -> dict[str, Any]:
    """Return a row of the journal."""
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


def _stored(text: str) -> Any:
    # Never decoded: that would need the modules of the dataclasses in it.
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text  # JSON for SQLite, but too deep or too long a number for Python
