"""The six states of a job and every move between them.

`MOVES` is the one list of moves. The table `move` of the schema says the same
in the file, and a test holds the two together. Nothing here touches a clock, a
thread or a database.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple

Status = Literal["queued", "running", "cancelling", "completed", "failed", "cancelled"]
Event = Literal[
    "enqueue",
    "start",
    "cancel",
    "complete",
    "fail",
    "retry",
    "release",
    "recover",
    "lose",
    "confirm",
    "requeue",
]

STATUSES: Final[tuple[Status, ...]] = (
    "queued",
    "running",
    "cancelling",
    "completed",
    "failed",
    "cancelled",
)
TERMINAL: Final[frozenset[Status]] = frozenset({"completed", "failed", "cancelled"})
OWNED: Final[frozenset[Status]] = frozenset({"running", "cancelling"})


class Move(NamedTuple):
    """One edge of the table: who moves a job from `source` to `target`, and why."""

    source: Status | None
    event: Event
    target: Status
    mover: str
    meaning: str


MOVES: Final[tuple[Move, ...]] = (
    Move(None, "enqueue", "queued", "caller", "acknowledged only after COMMIT"),
    Move("queued", "start", "running", "worker", "attempt + 1, committed before the handler runs"),
    Move("queued", "cancel", "cancelled", "caller", "at once; no worker has to agree"),
    Move("running", "cancel", "cancelling", "caller", "check_cancelled() raises from now on"),
    Move("running", "complete", "completed", "worker", "the result is stored"),
    Move("running", "fail", "failed", "worker", "no attempts are left; the error is stored"),
    Move("running", "retry", "queued", "worker", "attempts are left; due after the back-off"),
    Move("running", "release", "queued", "worker", "given back by a stop or a Retry; not counted"),
    Move("running", "recover", "queued", "recovery", "its process died; crashes + 1"),
    Move("running", "lose", "failed", "recovery", "its process died once too often"),
    Move("cancelling", "confirm", "cancelled", "worker", "it stopped, or its process is gone"),
    Move("cancelling", "complete", "completed", "worker", "it finished before it checked"),
    Move("cancelling", "fail", "failed", "worker", "it raised something else"),
    Move("failed", "requeue", "queued", "caller", "run it again; the history stays"),
    Move("cancelled", "requeue", "queued", "caller", "run it again; the history stays"),
)

_TARGETS: Final[dict[tuple[Status | None, Event], Status]] = {
    (move.source, move.event): move.target for move in MOVES
}


def target(source: Status | None, event: Event) -> Status | None:
    """The state that `event` leads to from `source`, or None if there is no such move."""
    return _TARGETS.get((source, event))


def sources(event: Event) -> tuple[Status, ...]:
    """The states that `event` may leave, in the table's order."""
    return tuple(move.source for move in MOVES if move.event == event and move.source is not None)


@dataclass(frozen=True, slots=True)
class Folded:
    """What the transitions of one job add up to; its row must say the same.

    `attempt` is compared with `max_attempts`. `starts` counts every start of the
    job and, with the owner, fences off workers that have lost it.
    """

    status: Status
    attempt: int = 0
    starts: int = 0
    crashes: int = 0
    owner: int | None = None


def fold(before: Folded | None, event: Event, owner: int | None = None) -> Folded:
    """The job after `event`. `owner` matters only for "start".

    Raises ValueError if the table has no such move.
    """
    source = before.status if before is not None else None
    status = target(source, event)
    if status is None:
        raise ValueError(f"no move {event!r} from {source!r}")
    if before is None:
        return Folded(status)
    after = replace(before, status=status, owner=before.owner if status in OWNED else None)
    match event:
        case "start":
            return replace(after, attempt=before.attempt + 1, starts=before.starts + 1, owner=owner)
        case "release":
            return replace(after, attempt=before.attempt - 1)
        case "recover" | "lose":
            return replace(after, crashes=before.crashes + 1)
        case "requeue":
            return replace(after, attempt=0, crashes=0)
        case _:
            return after
