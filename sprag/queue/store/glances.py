"""A job as lists show it, and the states that lists tell apart."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

from ..job import Progress
from ..states import STATUSES, Status

State = Literal[
    "ready", "scheduled", "retrying", "running", "lost",
    "cancelling", "completed", "failed", "cancelled",
]  # fmt: skip

STATES: Final[dict[State, tuple[Status, ...]]] = {
    "ready": ("queued",),
    "scheduled": ("queued",),
    "retrying": ("queued",),
    "running": ("running",),
    "lost": ("running", "cancelling"),
    "cancelling": ("cancelling",),
    "completed": ("completed",),
    "failed": ("failed",),
    "cancelled": ("cancelled",),
}
"""The states that lists tell apart, with the statuses that a job in each may have. A queued job is
"ready", or waits until it is due: "retrying" after an attempt, else "scheduled". A run whose
process died is "lost" until someone takes its job over."""

WAITING: Final[tuple[State, ...]] = ("scheduled", "retrying")


def statuses_of(states: Iterable[State]) -> tuple[Status, ...]:
    """The statuses that jobs in these states have."""
    wanted = {status for state in states for status in STATES[state]}
    return tuple(status for status in STATUSES if status in wanted)


class Glance(NamedTuple):
    """A job as lists show it. Texts are cut, item and result are the beginnings of their JSON,
    and what is not UTF-8 shows as U+FFFD. `moved_at` is the time of its latest move, `seconds`
    how long its present or last run has taken."""

    key: int
    id: str
    queue: str
    status: Status
    label: str | None
    item: str
    result: str | None
    error_type: str
    error_message: str | None
    attempt: int
    max_attempts: int
    crashes: int
    priority: int
    created_at: float
    due_at: float
    started_at: float | None
    moved_at: float
    seconds: float | None
    state: State
    progress: Progress | None
    task: str | None
    overdue: bool
