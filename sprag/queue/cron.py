"""The slots of a cron expression. Loaded by `slots` at the first Cron.

cronsim says which local times an expression names; when these come is said here. What repeats (`*`
as the minute or the hour) goes on as time does: it comes in both passes of an hour that a clock
change repeats, and not in a gap. A fixed time comes once, in the first pass, or right after a gap.
(Of itself, cronsim 2.8 never returns from some changes that are not at the full hour.)
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from .errors import ConfigurationError, shown

_FIELDS: Final = "minute, hour, day of the month, month, day of the week"
_LONGEST: Final = 200
_DAY: Final = 86400
# No clock change moves a zone's time by more.
_SHIFT_SECONDS: Final = 26 * 3600
_MINUTE: Final = timedelta(minutes=1)


class Calendar:
    """A cron expression with five fields, in a time zone. Raises ConfigurationError."""

    def __init__(self, expression: object, timezone: object) -> None:
        self._zone = _zone(timezone)
        self._expression = _checked(expression)
        minute, hour, *_ = self._expression.split()
        self._repeats = minute.startswith("*") or hour.startswith("*")

    @property
    def words(self) -> str:
        said = CronSim(self._expression, datetime.now(UTC)).explain()
        return f"{said[:1].lower()}{said[1:]} ({self._zone.key})"

    def after(self, at: float) -> float | None:
        return next(self._later(at), None)

    def newest(self, after: float, until: float) -> float | None:
        newest = None
        # Not one by one through all that was missed.
        for slot in self._later(max(after, self._before(until - _SHIFT_SECONDS) - 1.0)):
            if slot > until:
                break
            newest = slot
        return newest

    def _later(self, at: float) -> Iterator[float]:
        """The slots later than `at`, in order."""
        try:
            yield from (self._repeating if self._repeats else self._fixed)(math.floor(at))
        except (ValueError, OverflowError):
            return  # the end of the calendar

    def _fixed(self, at: int) -> Iterator[float]:
        last = float(at)
        for local in CronSim(self._expression, _local(at + self._offset(at))):
            slot = self._resolved(local)
            # Those of the first pass of an hour may be over; those of a gap all come at its end.
            if slot > last:
                last = slot
                yield slot

    def _repeating(self, at: int) -> Iterator[float]:
        offset = self._offset(at)
        while True:
            change = None
            for local in CronSim(self._expression, _local(at + offset)):
                slot = _seconds(local) - offset
                change = self._change(at, slot, offset)
                if change is not None:
                    break
                at = slot
                yield float(slot)
            if change is None:
                return
            at, offset = change - 1, self._offset(change)

    def _before(self, until: float) -> float:
        """About the last slot before `until`, but for clock changes."""
        try:
            at = math.floor(until)
            end = _local(at + self._offset(at))
            local = next(CronSim(self._expression, end, reverse=True), None)
            return -math.inf if local is None else self._resolved(local)
        except (ValueError, OverflowError):
            return -math.inf

    def _offset(self, at: int) -> int:
        """How far local time is ahead of UTC."""
        moment = datetime.fromtimestamp(at, UTC).astimezone(self._zone)
        return _seconds(moment.replace(tzinfo=None)) - at

    def _change(self, after: int, until: int, offset: int) -> int | None:
        """The first moment later than `after` at which the offset is another one."""
        low = after
        while low < until:
            high = min(low + _DAY, until)
            if self._offset(high) == offset:
                low = high
                continue
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if self._offset(middle) == offset else (low, middle)
            return high
        return None

    def _resolved(self, local: datetime) -> float:
        """When a local time comes first; for one that is skipped, the end of the gap."""
        for _ in range(_SHIFT_SECONDS // 60):
            moment = local.replace(tzinfo=self._zone)
            if moment.astimezone(UTC).astimezone(self._zone).replace(tzinfo=None) == local:
                return moment.timestamp()
            local += _MINUTE
        raise ValueError(f"{self._zone.key} skips more than a day before {local}")


def _local(seconds: int) -> datetime:
    """A local time, from its seconds since 1970-01-01 00:00 local time."""
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)


def _seconds(local: datetime) -> int:
    return int(local.replace(tzinfo=UTC).timestamp())


def _zone(name: object) -> ZoneInfo:
    try:
        if not isinstance(name, str) or not name:
            raise ValueError  # one message for all that is no zone
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError) as error:
        raise ConfigurationError(
            'timezone: expected the name of a time zone such as "Europe/Berlin" or "UTC", got '
            f"{shown(name)}. If the name is right, this machine lacks it: pip install tzdata"
        ) from error


def _checked(expression: object) -> str:
    expected = f'Cron: expected five fields ({_FIELDS}) such as "0 6 * * *", got'
    if not isinstance(expression, str) or len(expression) > _LONGEST:
        raise ConfigurationError(f"{expected} {shown(expression)}")
    fields = expression.split()
    if len(fields) != 5:
        hint = "; for less than a minute, use Every(seconds=…)" if len(fields) == 6 else ""
        raise ConfigurationError(f"{expected} {shown(expression)}, which has {len(fields)}{hint}")
    text = " ".join(fields)
    try:
        first = next(CronSim(text, datetime(2000, 1, 1, tzinfo=UTC)), None)
    except (CronSimError, ValueError, AssertionError) as error:
        raise ConfigurationError(f"{expected} {shown(expression)}: {error}") from error
    if first is None:
        raise ConfigurationError(f"{expected} {shown(expression)}, which never comes")
    return text
