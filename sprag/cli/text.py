"""Text for people: durations, times, sizes, and text from jobs, made harmless."""

from __future__ import annotations

import json
import unicodedata
from datetime import datetime
from typing import Final

_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR

# Not "printable" for Python, but part of writing and of emoji.
_JOINERS: Final = "\u200c\u200d"


def one_line(text: str) -> str:
    """Return `text` with every control and formatting character shown as its escape.

    Use it for all text from a job, a file or an exception: a terminal obeys what it is sent.
    """
    return text if text.isprintable() else "".join(map(_shown, text))


def lines(text: str) -> str:
    """Like `one_line`, but keep line breaks, and show tabs as four spaces."""
    return "\n".join(one_line(line.expandtabs(4)) for line in text.split("\n"))


def _shown(char: str) -> str:
    if char.isprintable() or char in _JOINERS or unicodedata.category(char) == "Zs":
        return char
    return char.encode("unicode_escape").decode("ascii")


def shortened(text: str, most: int) -> str:
    """Return at most `most` characters of `text`, the last one an ellipsis if it was cut."""
    return text if len(text) <= most else text[: most - 1] + "…"


def duration(seconds: float) -> str:
    """Return a duration in one or two units: 85ms, 3.2s, 45s, 3m20s, 2h05m, 3d4h."""
    seconds = max(seconds, 0.0)
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 10:
        return f"{seconds:.1f}s"
    whole = int(min(seconds, 1e12))
    if whole < _MINUTE:
        return f"{whole}s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}m{whole % _MINUTE:02}s"
    if whole < _DAY:
        return f"{whole // _HOUR}h{whole % _HOUR // _MINUTE:02}m"
    return f"{whole // _DAY:,}d{whole % _DAY // _HOUR}h"


def brief(seconds: float) -> str:
    """Like `duration`, but in one unit: 5s, 3m, 2h, 4d."""
    seconds = max(seconds, 0.0)
    for unit, length in (("d", _DAY), ("h", _HOUR), ("m", _MINUTE)):
        if seconds >= length:
            return f"{min(seconds, 1e14) // length:,.0f}{unit}"
    return f"{seconds:.0f}s"


def age(at: float, now: float) -> str:
    """Return when something was or will be, seen from `now`: "3m ago", "in 5s"."""
    return f"in {brief(at - now)}" if at > now else f"{brief(now - at)} ago"


def moment(at: float) -> str:
    """Return the local date and time."""
    try:
        return f"{datetime.fromtimestamp(at).astimezone():%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError, OSError):
        return f"{at:g}"  # another program wrote it


def time_of_day(at: float) -> str:
    """Like `moment`, but without the date."""
    return moment(at).rpartition(" ")[2]


def size(count: int) -> str:
    """Return a number of bytes in decimal units."""
    if count < 1000:
        return f"{count} bytes"
    value = float(count)
    for unit in ("kB", "MB", "GB"):
        value /= 1000
        if value < 1000:
            return f"{value:.1f} {unit}"
    return f"{value / 1000:,.1f} TB"


def rate(per_second: float) -> str:
    """Return a rate per second, or per minute if that is easier to read."""
    if per_second == 0:
        return "0"
    if per_second >= 100:
        return f"{per_second:,.0f}/s"
    if per_second >= 1:
        return f"{per_second:.1f}/s"
    return f"{per_second * 60:.1f}/min"


def number(value: object) -> str:
    """Return a number in short form, and anything else made harmless."""
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() else f"{value:,.2f}"
    return one_line(str(value))


def pretty(json_text: str) -> str:
    """Return stored JSON on several lines, or unchanged if Python cannot read it."""
    try:
        return lines(json.dumps(json.loads(json_text), indent=2, ensure_ascii=False))
    except (ValueError, RecursionError):
        return lines(json_text)
