"""What can be done with a job, and in which states."""

from __future__ import annotations

from typing import Final, Literal, get_args

from ..queue.operators import WAITING, State

Verb = Literal["cancel", "run-now", "requeue", "delete"]

VERBS: Final[tuple[Verb, ...]] = get_args(Verb)

FROM: Final[dict[Verb, tuple[State, ...]]] = {
    "cancel": ("ready", "scheduled", "retrying", "running", "lost"),
    "run-now": WAITING,
    "requeue": ("failed", "cancelled"),
    "delete": ("completed", "failed", "cancelled"),
}


def verbs_of(state: State) -> list[Verb]:
    """What can be done with a job in this state."""
    return [verb for verb in VERBS if state in FROM[verb]]
