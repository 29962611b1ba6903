"""The schedules of a file as those who run its queues see them: when each was and will be due."""

from __future__ import annotations

from typing import Final, NamedTuple

from . import errors
from .ids import made_at
from .slots import slots_of
from .store.pauses import Pause
from .store.schedules import Scheduled
from .store.store import Store

LATE_SECONDS: Final = 10.0
"""A schedule is late if its slot came longer ago. A process enqueues it within moments."""


_LAST: Final = 253_402_300_799.0  # of the year 9999, after which there are no dates


class Plan(NamedTuple):
    """A schedule, and when it is due. `words` are its definition for people; `last_job` is the job
    of its last slot, and `last` when that was enqueued; `next` is its next slot, unless it is
    paused. `alive`: a running process has it. `late`: the next slot has passed. `problem`: why
    nobody knows the next slot."""

    queue: str
    name: str
    words: str
    definition: str
    item_json: str
    last: float | None
    last_job: str | None
    next: float | None
    paused: Pause | None
    alive: bool
    late: bool
    problem: str | None


def agenda(store: Store, queue: str | None = None) -> list[Plan]:
    """The schedules of a queue, or of all, by queue and name."""
    now = store.clock()
    return [_plan(row, now) for row in store.schedules.all(queue)]


def _plan(row: Scheduled, now: float) -> Plan:
    words, following, problem = row.definition, None, None
    try:
        slots = slots_of(row.definition)
        words, following = slots.words, slots.after(row.last_slot)
        if following is not None and following > _LAST:
            following = None
    except errors.ConfigurationError as error:
        problem = str(error)
    late = row.pause is None and following is not None and following < now - LATE_SECONDS
    return Plan(
        row.queue, row.name, words, row.definition, row.item,
        made_at(row.last_job), row.last_job,
        None if row.pause is not None else following, row.pause, row.alive, late, problem,
    )  # fmt: skip
