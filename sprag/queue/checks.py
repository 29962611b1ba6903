"""What a caller may give: each check returns the value as the queue uses it, or raises an error
that says what was expected and what came."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from . import errors
from .ids import is_job_id
from .states import STATUSES, Status

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,99}")
_LABEL: Final = 200


def queue_name(who: str, name: object) -> str:
    """A queue's name. Those that begin with "sprag:", and "sprag" itself, are reserved."""
    if not isinstance(name, str) or not name:
        raise errors.ConfigurationError(
            f'{who} has no name: set the class attribute `name`, as in name = "thumbnails"; '
            f"got {errors.shown(name)}"
        )
    if not _NAME.fullmatch(name):
        raise errors.ConfigurationError(
            f"{who}.name: expected letters, digits and any of _ . : - (100 at most, no mark "
            f"first), got {errors.shown(name)}"
        )
    if name.lower().partition(":")[0] == "sprag":
        raise errors.ConfigurationError(
            f"{who}.name: {errors.shown(name)} is reserved, as are all names that begin with sprag:"
        )
    return name


def file_path(what: str, path: object) -> None:
    """Nothing, if `path` can be that of a database; SQLite takes UTF-8 alone."""
    text = str(path) if isinstance(path, str | Path) else ""
    if text in ("", ":memory:") or "\0" in text or text.encode(errors="ignore").decode() != text:
        raise errors.ConfigurationError(
            f"{what}: expected the path of a file, got {errors.shown(path)}"
        )


def label_text(label: object) -> str | None:
    """A job's label: some text without line breaks, or None."""
    if label is None:
        return None
    if not isinstance(label, str) or len(label) > _LABEL or not label.isprintable():
        raise errors.ConfigurationError(
            f"label: expected one line of printable text, {_LABEL} characters at most, "
            f"got {errors.shown(label)}"
        )
    return label


def audience(text: object) -> str | None:
    """Who may see a job: some text of at most 200 characters, or None."""
    if text is not None and (not isinstance(text, str) or not 0 < len(text) <= _LABEL
                             or not text.isprintable()):  # fmt: skip
        raise errors.ConfigurationError(
            f"audience: expected printable text, {_LABEL} characters at most, "
            f"got {errors.shown(text)}"
        )
    return text


def statuses(status: object) -> tuple[Status, ...]:
    """One status, several, or with None all six. Raises ConfigurationError for other words."""
    if status is None:
        return STATUSES
    words: tuple[object, ...] = ()
    if isinstance(status, str):
        words = (status,)
    elif isinstance(status, Iterable):
        words = tuple(status)
    unknown = [word for word in words if word not in STATUSES]
    if unknown or not words:
        raise errors.ConfigurationError(
            f"status: expected one or several of {', '.join(STATUSES)}, got {errors.shown(status)}"
        )
    return tuple(word for word in STATUSES if word in words)


def cursor(after: object) -> int | None:
    """The key in a page's `next`. Raises ConfigurationError for anything else."""
    if after is None:
        return None
    if isinstance(after, str) and after.isascii() and after.isdigit() and len(after) < 19:
        return int(after)
    raise errors.ConfigurationError(
        f"after: expected the `next` of a page, got {errors.shown(after)}"
    )


def job_id(value: object) -> str:
    """A job id to look up: anything that is none is simply not found."""
    if isinstance(value, str) and is_job_id(value):
        return value
    raise errors.JobNotFound(value, None)


def due_time(delay: object, run_at: object) -> float | None:
    """When a job may start, in unix seconds, by one of `delay` and `run_at`; None: at once."""
    if delay is not None and run_at is not None:
        raise errors.ConfigurationError("expected delay= or run_at=, got both")
    if delay is not None:
        return time.time() + duration("delay", delay)
    if isinstance(run_at, datetime):
        if run_at.utcoffset() is None:
            raise errors.ConfigurationError(
                "run_at: expected a datetime with a time zone or unix seconds, "
                f"got {errors.shown(run_at)}"
            )
        return run_at.timestamp()
    return None if run_at is None else seconds("run_at", run_at)


def duration(what: str, value: object) -> float:
    """Like `seconds`, but also of a timedelta."""
    return seconds(what, value.total_seconds() if isinstance(value, timedelta) else value)


def seconds(what: str, value: object) -> float:
    """A number of seconds, 0 or more; below 1e11, so that it is a time as well."""
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not 0 <= value < 1e11  # also refuses nan
    ):
        raise errors.ConfigurationError(
            f"{what}: expected seconds, 0 or more, got {errors.shown(value)}"
        )
    return float(value)


def whole(what: str, value: object, least: int, most: int) -> None:
    """Nothing, if `value` is an int from `least` to `most`; True and 4.0 are none."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise errors.ConfigurationError(
            f"{what}: expected a whole number from {least} to {most:,}, got {errors.shown(value)}"
        )
