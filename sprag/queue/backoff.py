"""How long a failed attempt waits before the next one. Pure: no clock is read."""

from __future__ import annotations

import json
import math
import random
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from .durations import EXPECTED, Duration, seconds
from .errors import ConfigurationError, shown


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential back-off with jitter: wait `first`, then `factor` times more, up to `limit`.

    Both are durations: seconds, a timedelta, or text such as "30s". `jitter`
    spreads each wait by up to that share in both directions, so that jobs that
    failed together do not come back together.
    """

    first: float = 1.0
    factor: float = 2.0
    limit: float = 3600.0
    jitter: float = 0.1

    if TYPE_CHECKING:  # the fields are in seconds, in whatever form they were given

        def __init__(
            self,
            first: Duration = 1.0,
            factor: float = 2.0,
            limit: Duration = 3600.0,
            jitter: float = 0.1,
        ) -> None: ...

    def __post_init__(self) -> None:
        for name in ("first", "limit"):
            object.__setattr__(self, name, seconds(f"Backoff.{name}", getattr(self, name)))
        for name in ("factor", "jitter"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ConfigurationError(f"Backoff.{name}: expected a number, got {shown(value)}")
        if self.first > self.limit:
            raise ConfigurationError(
                f"Backoff: expected first <= limit, got first={self.first:g}, limit={self.limit:g}"
            )
        if not 1 <= self.factor <= sys.float_info.max:
            raise ConfigurationError(
                f"Backoff.factor: expected at least 1, got {shown(self.factor)}"
            )
        if not 0 <= self.jitter <= 1:
            raise ConfigurationError(f"Backoff.jitter: expected 0 to 1, got {shown(self.jitter)}")

    @classmethod
    def of(cls, value: object, what: str = "backoff") -> Backoff:
        """`value` itself, or for a duration the same wait every time."""
        if isinstance(value, Backoff):
            return value
        try:
            wait = seconds(what, value)
        except ConfigurationError as error:
            raise ConfigurationError(
                f"{what}: expected a Backoff, {EXPECTED}, not negative, got {shown(value)}"
            ) from error
        return cls(first=wait, factor=1.0, limit=wait, jitter=0.0)

    def delay(self, attempt: int, noise: Callable[[], float] = random.random) -> float:
        """Seconds to wait after failed attempt number `attempt` (from 1)."""
        # In logarithms, so that a high attempt number cannot overflow a float.
        growth = math.exp(min((attempt - 1) * math.log(self.factor), 700.0))
        wait = min(self.limit, self.first * growth)
        return wait * (1 + self.jitter * (2 * noise() - 1))

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> Backoff:
        """What `to_json` gave, or a duration. Raises ConfigurationError for anything else."""
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:  # too long, too deep, not UTF-8
            raise ConfigurationError(f"backoff: expected JSON: {error}") from error
        if not isinstance(value, dict):
            return cls.of(value)
        try:
            return cls(**value)
        except TypeError as error:
            raise ConfigurationError(
                f"backoff: expected the fields of a Backoff: {error}"
            ) from error
