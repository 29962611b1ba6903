"""How the queues of a file stand at this moment: how many jobs are in which state."""

from __future__ import annotations

from typing import Any

from ..queue.engine import Engine
from .owners import lost_of, owners_of


def standing_of(engine: Engine) -> dict[str, dict[str, Any]]:
    """By queue: "counts" by state; "at_least" names the states that have more."""
    now = engine.journal.clock()
    tallies = engine.journal.statistics.tallies(lost_of(owners_of(engine).values()), now)
    return {
        queue: {"counts": tally.counts, "at_least": sorted(tally.at_least)}
        for queue, tally in tallies.items()
    }
