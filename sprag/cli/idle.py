"""Why jobs wait, or do not come: their queue is paused, or no process runs it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..queue import Pause
from ..queue.operators import Plan, waiting_for, words
from .text import age, one_line


def pause_shapes(pauses: Mapping[str, Pause]) -> dict[str, dict[str, object]]:
    """Return the JSON form of pauses."""
    return {queue: pause._asdict() for queue, pause in pauses.items()}


def pause_words(pause: Pause, now: float) -> str:
    """Return since when a queue is paused, and why."""
    why = f": {pause.reason}" if pause.reason else ""
    return one_line(f"paused {age(pause.since, now)}{why}")


def remarks(
    pauses: Mapping[str, Pause],
    unattended: Mapping[str, int],
    unknown: Mapping[str, Mapping[str | None, int]],
    now: float,
) -> Iterable[str]:
    """Yield a sentence for each queue that starts no jobs, or none of some task."""
    for queue, pause in pauses.items():
        name = one_line(queue)
        yield f"{name}: {pause_words(pause, now)}; `sprag resume {name}` lets its jobs start"
    for queue, count in unattended.items():
        yield f"{one_line(queue)}: {words(count)}; see `sprag work --help`"
    for queue, of_tasks in unknown.items():
        for task, count in of_tasks.items():
            yield one_line(f"{queue}: {waiting_for(task, count)}")


def late_remarks(plans: Iterable[Plan], now: float) -> Iterable[str]:
    """Yield a sentence for each schedule that is late."""
    for plan in plans:
        what = f"{plan.queue}: the schedule {plan.name!r} is late"
        since = "" if plan.next is None else f", it was due {age(plan.next, now)}"
        why = (
            "the queue is full, or its process does not get to it"
            if plan.alive
            else "no running process has it; start one, or see `sprag schedules remove --help`"
        )
        yield one_line(f"{what}{since}: {why}")
