"""What a caller may give: each check returns the value as the queue uses it, or raises an error
that says what was expected and what was found."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

from . import durations, errors
from .backoff import Backoff
from .ids import is_job_id
from .states import STATUSES, Status

Check = Callable[[str, Any], Any]
"""Takes the name of what was given and its value; returns the value as the queue uses it."""

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,99}")
_URI: Final = re.compile(r"file:|[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_LABEL: Final = 200
_KEY: Final = 500


# ---------------------------------------------------------------- options of a queue


def queue_name(what: str, name: object) -> str:
    """A queue's name. "sprag", and all that begins with "sprag:", is reserved."""
    if not isinstance(name, str) or not name:
        raise errors.ConfigurationError(
            f'{what}: the queue has no name; expected text such as "thumbnails", set as a class '
            f'attribute (name = "thumbnails") or by name=; got {errors.shown(name)}'
        )
    if not _NAME.fullmatch(name):
        raise errors.ConfigurationError(
            f"{what}: expected at most 100 letters, digits and characters of _ . : - that begin "
            f"with a letter, a digit or _; got {errors.shown(name)}"
        )
    if name.lower().partition(":")[0] == "sprag":
        raise errors.ConfigurationError(
            f'{what}: names that begin with "sprag:" are reserved, and so is "sprag"; '
            f"got {errors.shown(name)}"
        )
    return name


def file_path(what: str, path: object) -> str | Path:
    """The path of a database file. SQLite takes UTF-8 only."""
    text = str(path) if isinstance(path, str | Path) else ""
    if text in ("", ":memory:") or "\0" in text or text.encode(errors="ignore").decode() != text:
        raise errors.ConfigurationError(
            f"{what}: expected the path of a file, got {errors.shown(path)}"
        )
    if isinstance(path, str) and _URI.match(path):
        raise errors.ConfigurationError(
            f"{what}: expected the path of a file, got the address {errors.shown(path)}; if a file "
            f"has that name, write {errors.shown('./' + path)}"
        )
    return path if isinstance(path, Path) else text


def backoff(what: str, value: object) -> Backoff:
    """A Backoff, or a duration, which becomes a Backoff that always waits that long."""
    return value if isinstance(value, Backoff) else Backoff.of(value, what)


def exceptions(what: str, value: object) -> tuple[type[BaseException], ...]:
    """One class of exceptions, or several in a tuple, list or set."""
    kinds = tuple(value) if isinstance(value, tuple | list | set | frozenset) else (value,)
    for kind in kinds:
        if not isinstance(kind, type) or not issubclass(kind, BaseException):
            raise errors.ConfigurationError(
                f"{what}: expected an exception class or a tuple of them, such as "
                f"(ConnectionError, TimeoutError), got {errors.shown(kind)}"
            )
    return kinds


def durability(what: str, value: object) -> Literal["full", "normal"]:
    """One of the two words."""
    if value == "full":
        return "full"
    if value == "normal":
        return "normal"
    raise errors.ConfigurationError(
        f'{what}: expected "full" or "normal", got {errors.shown(value)}'
    )


def vfs(what: str, value: object) -> str | None:
    """The name of an SQLite VFS, or None."""
    if value is not None and not isinstance(value, str):
        raise errors.ConfigurationError(
            f"{what}: expected the name of an SQLite VFS or None, got {errors.shown(value)}"
        )
    return value


# ---------------------------------------------------------------- options of a job


def time_limit(what: str, value: object) -> float:
    """A duration that is not 0, in seconds."""
    seconds = durations.seconds(what, value)
    if seconds <= 0:
        raise errors.ConfigurationError(f"{what}: expected more than 0 seconds, got 0")
    return seconds


def label_text(label: object) -> str | None:
    """A job's label: some text without line breaks, or None."""
    return _line("label", label)


def reason_text(reason: object) -> str | None:
    """Why something is paused: some text without line breaks, or None."""
    return _line("reason", reason)


def _line(what: str, text: object) -> str | None:
    if text is None:
        return None
    if not isinstance(text, str) or len(text) > _LABEL or not text.isprintable():
        raise errors.ConfigurationError(
            f"{what}: expected one line of printable text, {_LABEL} characters at most, "
            f"got {errors.shown(text)}"
        )
    return text


def unique_key(unique: object, item: object) -> str | None:
    """A job's unique key, given as text or as a function of its item; None if it has none."""
    key = unique(item) if callable(unique) else unique
    if key is None:
        return None
    if not isinstance(key, str) or not 0 < len(key) <= _KEY or not key.isprintable():
        found = errors.shown(key, 60) + (f" ({len(key):,} characters)" if type(key) is str else "")
        whence = " from the function" if callable(unique) else ""
        raise errors.ConfigurationError(
            f"unique: expected printable text of 1 to {_KEY} characters, or a function of the item "
            f"that returns such text; got {found}{whence}. Use a hash of what is longer"
        )
    return str(key)


def unique_for(value: object) -> tuple[Literal["queued", "unfinished"] | None, float | None]:
    """How long a unique key is held: until the job leaves a state, or for so many seconds."""
    if value == "queued":
        return "queued", None
    if value == "unfinished":
        return "unfinished", None
    try:
        seconds = durations.seconds("unique_for", value)
    except errors.ConfigurationError as error:
        raise errors.ConfigurationError(
            f'unique_for: expected "queued", "unfinished", or {durations.EXPECTED}, '
            f"got {errors.shown(value)}"
        ) from error
    return None, time_limit("unique_for", seconds)


def audience(text: object) -> str | None:
    """Who may see a job: text of 1 to 200 characters, or None."""
    if text is not None and (not isinstance(text, str) or not 0 < len(text) <= _LABEL
                             or not text.isprintable()):  # fmt: skip
        raise errors.ConfigurationError(
            f"audience: expected printable text of 1 to {_LABEL} characters, "
            f"got {errors.shown(text)}"
        )
    return text


def due_time(delay: object, run_at: object) -> float | None:
    """When a job may start, in unix seconds, by one of `delay` and `run_at`; None: at once."""
    if delay is not None and run_at is not None:
        raise errors.ConfigurationError("expected delay= or run_at=, got both")
    if delay is not None:
        return time.time() + durations.seconds("delay", delay)
    return None if run_at is None else point_in_time("run_at", run_at)


def point_in_time(what: str, value: object) -> float:
    """An aware datetime or unix seconds, as unix seconds."""
    if not isinstance(value, datetime):
        return unix_seconds(what, value)
    if value.utcoffset() is None:
        raise errors.ConfigurationError(
            f"{what}: expected a datetime with a time zone or unix seconds, "
            f"got {errors.shown(value)}"
        )
    return value.timestamp()


def unix_seconds(what: str, value: object) -> float:
    """A point in time, as a number of seconds since 1970."""
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not 0 <= value < durations.END_OF_TIME  # also refuses nan
    ):
        raise errors.ConfigurationError(
            f"{what}: expected unix seconds, 0 or more, got {errors.shown(value)}"
        )
    return float(value)


def task_name(what: str, name: object) -> str:
    """A task's name."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise errors.ConfigurationError(
            f"{what}: expected at most 100 letters, digits and characters of _ . : - that begin "
            f"with a letter, a digit or _; got {errors.shown(name)}"
        )
    return name


# ---------------------------------------------------------------- what is asked for


def statuses(status: object) -> tuple[Status, ...]:
    """One status, several of them, or None for all six."""
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
            f"status: expected one or several of {', '.join(STATUSES)}; got {errors.shown(status)}"
        )
    return tuple(word for word in STATUSES if word in words)


def cursor(after: object) -> int | None:
    """The key in a page's `next`."""
    if after is None:
        return None
    if isinstance(after, str) and after.isascii() and after.isdigit() and len(after) < 19:
        return int(after)
    raise errors.ConfigurationError(
        f"after: expected the `next` of a page, got {errors.shown(after)}"
    )


def job_id(value: object) -> str:
    """A job id to look up. What does not look like one is not found."""
    if isinstance(value, str) and is_job_id(value):
        return value
    raise errors.JobNotFound(value, None)


def new_job_id(value: object) -> str:
    """A job id that the caller chose for a new job."""
    if isinstance(value, str) and is_job_id(value):
        return value
    raise errors.ConfigurationError(
        "job_id: expected 32 hexadecimal digits, as made by new_job_id(), "
        f"got {errors.shown(value)}"
    )


# ---------------------------------------------------------------- numbers


def flag(what: str, value: object) -> bool:
    """True or False, and nothing that is only like it."""
    if not isinstance(value, bool):
        raise errors.ConfigurationError(
            f"{what}: expected True or False, got {errors.shown(value)}"
        )
    return value


def whole(what: str, value: object, least: int, most: int) -> int:
    """An int from `least` to `most`. True and 4.0 are not accepted."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise errors.ConfigurationError(
            f"{what}: expected an integer from {least:,} to {most:,}, got {errors.shown(value)}"
        )
    return value


def between(least: int, most: int) -> Check:
    """The check for `whole` numbers of this range."""
    return lambda what, value: whole(what, value, least, most)


def or_none(check: Check) -> Check:
    """The check that also accepts None."""
    return lambda what, value: None if value is None else check(what, value)
