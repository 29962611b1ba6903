"""An image as the page shows it, made of its job."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

_WAITS = {"queued": "Waiting for its turn", "cancelling": "Stopping", "cancelled": "Cancelled"}


def shown(job: dict[str, Any]) -> dict[str, Any]:
    """What the page's template and module know of an image."""
    status = job["status"]
    made = job["result"]["thumbnails"] if status == "completed" else []
    progress = job["progress"] or {"percent": 0.0}
    return {
        "id": job["id"],
        "key": job["id"],
        "name": job["label"],
        "created_at": job["created_at"],
        "status": status,
        "says": _WAITS.get(status) or (_made(job["result"]) if made else job["message"]),
        "percent": progress["percent"],
        "busy": status in ("queued", "running", "cancelling"),
        "can_cancel": status in ("queued", "running"),
        "can_retry": status in ("failed", "cancelled"),
        "refused": False,
        "picture": _address(job["id"], made[-1]) if made else None,
        "largest": _address(job["id"], made[0]) if made else None,
        "files": [
            {"address": _address(job["id"], one), "text": str(max(one["size"]))}
            for one in made
            if _path(one).suffix == ".jpg"
        ],
    }


def thumbnail(job: dict[str, Any], name: str) -> Path | None:
    """The file of that name among what was made of the image."""
    if job["status"] == "completed":
        for one in job["result"]["thumbnails"]:
            if _path(one).name == name:
                return _path(one)
    return None


def _address(job_id: str, one: dict[str, Any]) -> str:
    return f"thumbnails/{job_id}/{_path(one).name}"


def _path(one: dict[str, Any]) -> Path:
    return Path(os.fsdecode(one["path"]))


def _made(result: dict[str, Any]) -> str:
    width, height = result["size"]
    return f"{width} \u00d7 {height}, {len(result['thumbnails'])} thumbnails"
