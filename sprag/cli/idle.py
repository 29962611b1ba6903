"""Why jobs wait: their queue is paused, or no process runs it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..queue import Pause
from ..queue.operators import words
from .text import age, one_line


def pause_shapes(pauses: Mapping[str, Pause]) -> dict[str, dict[str, object]]:
    """Return the JSON form of pauses."""
    return {queue: pause._asdict() for queue, pause in pauses.items()}


def pause_words(pause: Pause, now: float) -> str:
    """Return since when a queue is paused, and why."""
    why = f": {pause.reason}" if pause.reason else ""
    return one_line(f"paused {age(pause.since, now)}{why}")


def remarks(
    pauses: Mapping[str, Pause], unattended: Mapping[str, int], now: float
) -> Iterable[str]:
    """Yield a sentence for each queue that starts no jobs."""
    for queue, pause in pauses.items():
        name = one_line(queue)
        yield f"{name}: {pause_words(pause, now)}; `sprag resume {name}` lets its jobs start"
    for queue, count in unattended.items():
        yield f"{one_line(queue)}: {words(count)}; see `sprag work --help`"
