"""The JSON forms of what the pages show."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict
from typing import Any, Final

from ..queue import Job, Transition
from ..queue.liveness.processes import Process
from ..queue.states import TERMINAL
from ..queue.store.glances import Glance, State
from .verbs import verbs_of

_MOST: Final = 20_000
"""How many characters of an item, a result or a traceback are sent."""


def glance_shape(job: Glance) -> dict[str, Any]:
    """A job in a list; item and result are the beginnings of their JSON."""
    error = None
    if job.error_message is not None:
        error = {"type": job.error_type, "message": job.error_message}
    progress = None if job.progress is None else job.progress.to_dict()
    return {
        "id": job.id,
        "queue": job.queue,
        "label": job.label,
        "status": job.status,
        "state": job.state,
        "item": job.item,
        "result": job.result,
        "error": error,
        "progress": progress,
        "message": _message(error, progress),
        "attempt": job.attempt,
        "max_attempts": job.max_attempts,
        "crashes": job.crashes,
        "priority": job.priority,
        "cancel_requested": job.status in ("cancelling", "cancelled"),
        "created_at": job.created_at,
        "due_at": job.due_at,
        "started_at": job.started_at,
        "finished_at": job.moved_at if job.status in TERMINAL else None,
        "moved_at": job.moved_at,
        "seconds": job.seconds,
        "can": verbs_of(job.state),
    }


def job_shape(job: Job, state: State) -> dict[str, Any]:
    """A job by itself; item and result are {"text", "length"}, indented and cut if too long."""
    error = None if job.error is None else _error(asdict(job.error))
    progress = None if job.progress is None else job.progress.to_dict()
    return {
        "id": job.id,
        "queue": job.queue,
        "label": job.label,
        "status": job.status,
        "state": state,
        "item": _payload(job.item_json),
        "result": None if job.result_json is None else _payload(job.result_json),
        "error": error,
        "progress": progress,
        "message": _message(error, progress),
        "attempt": job.attempt,
        "max_attempts": job.max_attempts,
        "crashes": job.crashes,
        "priority": job.priority,
        "cancel_requested": job.cancel_requested,
        "created_at": job.created_at,
        "due_at": job.due_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "can": verbs_of(state),
    }


def move_shape(move: Transition, processes: dict[int, Process]) -> dict[str, Any]:
    """A row of the journal, with what is still known about its owner."""
    owner = None
    if move.owner is not None:
        known = processes.get(move.owner)
        owner = process_shape(known or Process(move.owner, "gone"))
    return {
        "seq": move.seq,
        "event": move.event,
        "from_status": move.from_status,
        "to_status": move.to_status,
        "attempt": move.attempt,
        "owner": owner,
        "at": move.at,
        "due_at": move.due_at,
        "error": None if move.error is None else _error(asdict(move.error)),
    }


def process_shape(process: Process) -> dict[str, Any]:
    """A process that runs jobs, without the token of its lock."""
    shape = asdict(process)
    del shape["token"]
    return shape


def _message(error: dict[str, str] | None, progress: dict[str, Any] | None) -> str:
    said = error["message"] if error is not None else (progress or {}).get("message")
    return str(said or "")


def _error(error: dict[str, str]) -> dict[str, str]:
    # The end of a traceback says the most, and the beginning of everything else.
    trace = error["traceback"]
    return {
        "type": error["type"][:_MOST],
        "message": error["message"][:_MOST],
        "traceback": trace if len(trace) <= _MOST else "…\n" + trace[-_MOST:],
    }


def _payload(text: str) -> dict[str, Any]:
    # Never decoded: that would need the modules of the dataclasses in it.
    if len(text) <= _MOST:
        # JSON for SQLite may be too deep, or hold too long a number, for Python.
        with suppress(ValueError, RecursionError):
            text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    return {"text": text[:_MOST], "length": len(text)}
