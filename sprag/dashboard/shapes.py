"""The JSON forms of what the pages show."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict
from typing import Any, Final

from ..queue import Job, Transition
from ..queue.operators import Glance, Process, State, job_shape, more_shape, move_shape
from .verbs import verbs_of

_MOST: Final = 20_000
"""How many characters of an item, a result or a traceback are sent."""


def glance_shape(job: Glance) -> dict[str, Any]:
    """A job in a list; item and result are the beginnings of their JSON."""
    error = None
    if job.error_message is not None:
        error = {"type": job.error_type, "message": job.error_message}
    return {
        **_shape(job, job.state, error),
        "item": job.item,
        "result": job.result,
        "moved_at": job.moved_at,
        "seconds": job.seconds,
        "overdue": job.overdue,
    }


def whole_shape(job: Job, state: State) -> dict[str, Any]:
    """A job by itself; item and result are {"text", "length"}, indented and cut if too long."""
    return {
        **_shape(job, state, None if job.error is None else _cut(asdict(job.error))),
        **more_shape(job),
        "item": _payload(job.item_json),
        "result": None if job.result_json is None else _payload(job.result_json),
    }


def _shape(job: Job | Glance, state: State, error: dict[str, str] | None) -> dict[str, Any]:
    message = None if job.progress is None else job.progress.message
    return {
        **job_shape(job),
        "state": state,
        "error": error,
        "message": str((message if error is None else error["message"]) or ""),
        "can": verbs_of(state),
    }


def whole_move(move: Transition, processes: dict[int, Process]) -> dict[str, Any]:
    """A row of the journal, with what is still known about its owner."""
    owner = None
    if move.owner is not None:
        known = processes.get(move.owner)
        owner = process_shape(known or Process(move.owner, "gone"))
    error = None if move.error is None else _cut(asdict(move.error))
    return {**move_shape(move), "owner": owner, "error": error}


def process_shape(process: Process) -> dict[str, Any]:
    """A process that runs jobs, without the token of its lock."""
    shape = asdict(process)
    del shape["token"]
    return shape


def _cut(error: dict[str, str]) -> dict[str, str]:
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
