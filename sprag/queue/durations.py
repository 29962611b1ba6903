"""Durations as people write them: seconds, a timedelta, or text such as "1h30m". Pure."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

from .errors import ConfigurationError, shown

Duration = float | timedelta | str
"""What every duration may be given as. Text is read by `parsed`."""

EXPECTED: Final = 'seconds, a timedelta, or text such as "90s", "5m", "1h30m" or "7d"'

# Durations are added to times, and no time is later than this.
END_OF_TIME: Final = 1e11

_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_NUMBER: Final = r"\d{1,20}(?:\.\d{1,20})?"
_PART: Final = re.compile(rf"({_NUMBER})(ms|[smhdw])", re.ASCII)
_TEXT: Final = re.compile(rf"(?:{_NUMBER}(?:ms|[smhdw]))+|{_NUMBER}", re.ASCII)
# Longer text is not a duration, and the pattern is not tried on it.
_LONGEST: Final = 200


def parsed(text: str) -> float | None:
    """Seconds, from text: a number with a unit (ms, s, m, h, d, w), several of them in a row, or
    a number of seconds. None if it is something else."""
    given = text.strip().lower()
    if len(given) > _LONGEST or not _TEXT.fullmatch(given):
        return None
    parts = _PART.findall(given)
    if not parts:
        return float(given)
    return sum(float(count) * _SECONDS[unit] for count, unit in parts)


def seconds(what: str, value: object) -> float:
    """The duration in seconds, 0 or more. Raises ConfigurationError, which names `what`."""
    found: object = value
    if isinstance(value, timedelta):
        found = value.total_seconds()
    elif isinstance(value, str):
        found = parsed(value)
    if (
        isinstance(found, bool)
        or not isinstance(found, int | float)
        or not 0 <= found < END_OF_TIME  # also refuses nan
    ):
        raise ConfigurationError(f"{what}: expected {EXPECTED}, not negative, got {shown(value)}")
    return float(found)
