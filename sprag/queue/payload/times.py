"""Datetimes and times in payloads: they come back as they went in, or they are refused.

What ISO 8601 expresses is its text. A time in a zone, with `fold`, or with an offset that has a
name is an object with that text as "at":
`{"at": "2026-10-25T02:30:00+01:00", "zone": "Europe/Berlin", "fold": 1}`.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta, timezone, tzinfo
from typing import Any, Final, TypeVar

T = TypeVar("T", datetime, time)

# Stricter than ZoneInfo, so that no key leads out of the folder or the package of zones.
_KEY: Final = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*", re.ASCII)


def written(value: datetime | time) -> object:
    """The datetime or time as JSON. Raises ValueError with the reason if it cannot be stored."""
    zone = value.tzinfo
    more: dict[str, object] = {}
    if zone is not None and zone is not UTC:
        if type(zone) is timezone:
            more = _of_offset(zone)
        else:
            more = {"zone": _key_of(zone)}
    if value.fold:
        more["fold"] = 1
    return {"at": value.isoformat(), **more} if more else value.isoformat()


def read_datetime(content: object) -> datetime:
    """The datetime that was `written`. Raises ValueError or TypeError if there is none."""
    return _read(datetime.fromisoformat, content)


def read_time(content: object) -> time:
    """Like `read_datetime`, but a time."""
    return _read(time.fromisoformat, content)


def _of_offset(zone: timezone) -> dict[str, object]:
    offset = zone.utcoffset(None)
    if offset and abs(offset) < timedelta(seconds=1):
        # Python reads it as UTC, so the value would come back as another one.
        raise ValueError("its offset from UTC is less than a second")
    name = zone.tzname(None)
    return {} if name == timezone(offset).tzname(None) else {"name": name}


def _key_of(zone: tzinfo) -> str:
    # If there is a ZoneInfo, its module has been imported. We do not import it ourselves here: that
    # takes longer than to import this whole package.
    zoneinfo = sys.modules.get("zoneinfo")
    if zoneinfo is None or type(zone) is not zoneinfo.ZoneInfo:
        kind = type(zone)
        raise ValueError(
            f"its time zone is a {kind.__module__}.{kind.__qualname__}: expected datetime.timezone "
            "or zoneinfo.ZoneInfo. Convert it first, for example by datetime.astimezone("
            "timezone.utc)"
        )
    key = zone.key  # type: ignore[attr-defined]  # it is a ZoneInfo
    if not isinstance(key, str) or _zone(key) is not zone:
        raise ValueError(
            f"its time zone {zone!r} is not the one that ZoneInfo(key) returns, so its rules could "
            "not be found again: expected ZoneInfo(key), not from_file() or no_cache()"
        )
    return key


def _read(parse: Callable[[str], T], content: object) -> T:
    if isinstance(content, str):
        return parse(content)
    if not isinstance(content, dict) or not content.keys() <= {"at", "zone", "name", "fold"}:
        raise ValueError("expected text, or an object with at, zone, name and fold")
    value = parse(content.get("at"))  # type: ignore[arg-type]  # which refuses it if it is not text
    fold = content.get("fold", 0)
    zone = value.tzinfo
    if "zone" in content:
        zone = _zone(content["zone"])
    elif "name" in content:
        zone = timezone(_offset(value), content["name"])
    made = value.replace(tzinfo=zone, fold=fold)
    if made.utcoffset() != value.utcoffset():
        raise ValueError(
            f"{content['at']} was stored in time zone {content['zone']}, which has the offset "
            f"{made.utcoffset()} then by this machine's rules: update the tzdata package, or the "
            "system's time zones, on the machine that is behind"
        )
    return made


def _offset(value: datetime | time) -> timedelta:
    offset = value.utcoffset()
    if offset is None:
        raise ValueError("the name of an offset was stored without the offset")
    return offset


def _zone(key: Any) -> tzinfo:
    """The ZoneInfo of this key. The module is loaded when the first zone is read."""
    zoneinfo = importlib.import_module("zoneinfo")
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise ValueError(f"{key!r} is not the key of a time zone")
    try:
        zone: tzinfo = zoneinfo.ZoneInfo(key)
    except (LookupError, ValueError, OSError) as error:
        raise ValueError(
            f"its time zone {key} is not known on this machine: install the tzdata package, or "
            "the system's time zones"
        ) from error
    return zone
