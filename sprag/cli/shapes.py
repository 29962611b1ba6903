"""The JSON form of jobs. Scripts rely on it: add fields, never remove one."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from ..queue import Job
from ..queue.operators import job_shape, more_shape


def whole_shape(job: Job, *, lost: bool) -> dict[str, Any]:
    """Return a job. Item and result are as stored: other types are tagged, {"$tuple": [1, 2]}.

    `lost` says that the process that ran it died: its status is still the one of that run.
    """
    return {
        **job_shape(job),
        **more_shape(job),
        "lost": lost,
        "item": _stored(job.item_json),
        "result": None if job.result_json is None else _stored(job.result_json),
        "error": None if job.error is None else asdict(job.error),
    }


def _stored(text: str) -> Any:
    # Never decoded: that would need the modules of the dataclasses in it.
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text  # JSON for SQLite, but too deep or too long a number for Python
