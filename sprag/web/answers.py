"""The JSON that pages get: jobs, answers, errors, and whatever an action returns."""

from __future__ import annotations

from typing import Any, Final

import pydantic_core
from starlette.responses import Response

from ..queue import Job, Page, PayloadError
from ..queue.operators import job_shape
from .errors import ActionError

Json = dict[str, Any]

_SAYS: Final = {
    "queued": "Waiting",
    "running": "Running",
    "cancelling": "Stopping",
    "completed": "Done",
    "failed": "Failed",
    "cancelled": "Cancelled",
}


def job_json(job: Job) -> Json:
    """A job as pages see it. Times are unix seconds; an error has no traceback."""
    try:
        result = job.result
    except PayloadError:
        result = None  # of a type that is gone from the application
    error = None
    if job.error is not None:
        error = {"type": job.error.type, "message": job.error.message}
    return {**job_shape(job), "message": _message(job), "result": result, "error": error}


def answer(
    queue: str, job: Job | None, *, accepted: bool = True, message: str | None = None
) -> Json:
    """What `enqueue`, `job_status` and `request_job_cancel` return."""
    shown = None if job is None else job_json(job)
    return {
        "accepted": accepted,
        "existing": job is not None and job.existing,
        "job_id": None if job is None else job.id,
        "job": shown,
        "queue": queue,
        "message": message if message is not None or shown is None else shown["message"],
        "status": None if shown is None else shown["status"],
        "progress": None if shown is None else shown["progress"],
    }


def to_json(value: Any) -> bytes:
    """Any value that an action may return, as JSON. Raises ValueError for any other."""
    return pydantic_core.to_json(_plain(value), inf_nan_mode="null", bytes_mode="base64")


def ok(value: Any, status: int = 200) -> Response:
    """The answer to a call that succeeded."""
    return Response(
        b'{"ok":true,"value":' + to_json(value) + b"}", status, media_type="application/json"
    )


def refused(error: ActionError, headers: dict[str, str] | None = None) -> Response:
    """The answer to a call that failed."""
    body = {
        "ok": False,
        "error": {"type": error.type, "message": error.message, "fields": error.fields},
    }
    return Response(to_json(body), error.status, headers, media_type="application/json")


def _plain(value: Any) -> Any:
    if isinstance(value, Job):
        return job_json(value)
    if isinstance(value, Page):
        return {"jobs": [job_json(job) for job in value], "next": value.next}
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value


def _message(job: Job) -> str:
    if job.error is not None and job.status == "failed":
        return job.error.message or job.error.type
    if not job.finished and job.progress is not None and job.progress.message:
        return job.progress.message
    return _SAYS[job.status]
