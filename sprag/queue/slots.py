"""The slots of a schedule: the moments at which it is due, in unix seconds. Pure.

They follow from the definition alone, and not from when a process started, so all processes that
share a file agree on them.
"""

from __future__ import annotations

import importlib
import json
import math
from typing import Any, Final, Protocol

from .errors import ConfigurationError, shown

CRON: Final = "cron"
EVERY: Final = "every"

_UNITS: Final = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


class Slots(Protocol):
    """When a schedule is due."""

    @property
    def words(self) -> str:
        """The definition for people: "every 5 minutes"."""

    def after(self, at: float) -> float | None:
        """The first slot later than `at`; None if none comes."""

    def newest(self, after: float, until: float) -> float | None:
        """The last slot later than `after` and not later than `until`."""


class Interval:
    """Every so many seconds, counted from 1970-01-01 00:00 UTC."""

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds

    @property
    def words(self) -> str:
        parts = []
        left = self._seconds
        for length, unit in _UNITS:
            count, left = divmod(left, length)
            if count:
                parts.append(f"{count} {unit}s" if count > 1 else f"1 {unit}")
        if len(parts) == 1 and parts[0].startswith("1 "):
            return f"every {parts[0][2:]}"
        return f"every {' '.join(parts)}"

    def after(self, at: float) -> float | None:
        return float((at // self._seconds + 1) * self._seconds) if math.isfinite(at) else None

    def newest(self, after: float, until: float) -> float | None:
        slot = float(until // self._seconds * self._seconds)
        return slot if slot > after else None


def slots_of(definition: str) -> Slots:
    """The slots of a stored definition, `{"every": 300}` or `{"cron": "0 6 * * *", "timezone":
    "Europe/Berlin"}`.

    Raises ConfigurationError if it is wrong, or if what it needs is not installed.
    """
    try:
        said: Any = json.loads(definition)
    except (ValueError, RecursionError):
        said = None
    if isinstance(said, dict) and type(said.get(EVERY)) is int and said[EVERY] > 0:
        return Interval(said[EVERY])
    if isinstance(said, dict) and isinstance(said.get(CRON), str):
        return calendar(said[CRON], said.get("timezone"))
    raise ConfigurationError(f"expected the definition of a schedule, got {shown(definition)}")


def calendar(expression: object, timezone: object) -> Slots:
    """The slots of a cron expression in a time zone. Raises ConfigurationError."""
    # Loaded at the first use: it needs a package that not everyone has installed.
    try:
        cron: Any = importlib.import_module(".cron", __package__)
    except ModuleNotFoundError as error:
        if error.name != "cronsim":
            raise
        raise ConfigurationError(
            "a Cron schedule needs the package cronsim, which is not installed: "
            "pip install 'sprag-queue[schedules]'. Every() needs nothing"
        ) from error
    made: Slots = cron.Calendar(expression, timezone)
    return made
