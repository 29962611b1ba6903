"""`Clock`: the time of a queue, which stands still until a test moves it."""

from __future__ import annotations

import time
from datetime import datetime

from sprag.queue import ConfigurationError, QueueService
from sprag.queue.byhand import Duration, clock_of, point_in_time, seconds, set_clock


class Clock:
    """A time that passes only when it is told to: for delays, back-off, unique keys that are held
    for a duration, and all times that the journal has.

    `start` is an aware datetime or unix seconds; without it, the clock starts at the present. Time
    limits are not measured by it, because they are about how long the code really takes.
    """

    def __init__(self, start: datetime | float | None = None) -> None:
        self._now = time.time() if start is None else point_in_time("start", start)

    def __call__(self) -> float:
        """The time, in unix seconds."""
        return self._now

    def __repr__(self) -> str:
        return f"<Clock {self._now!r}>"

    def rule(self, queue: QueueService) -> None:
        """Give the time of this queue, and of all queues of its file in this process, until the
        file is closed. Opens the file. Other processes go by their own clocks."""
        set_clock(queue, self)

    def forward(self, duration: Duration) -> None:
        """Let time pass: seconds, a timedelta, or text such as "1h"."""
        self._now += seconds("forward", duration)

    def set(self, point: datetime | float) -> None:
        """Make it this time, also an earlier one, as when an administrator sets a clock back."""
        self._now = point_in_time("set", point)


def ruling(queue: QueueService) -> Clock:
    """The clock of the queue. Raises ConfigurationError if that is the system's."""
    clock = clock_of(queue)
    if not isinstance(clock, Clock):
        raise ConfigurationError(
            f"forward=: expected queue {queue.name!r} to have a clock that can be set, got the "
            "system's; call Clock().rule(queue) first"
        )
    return clock
