"""How the queues of a file stand at this moment: how many jobs are in which state."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ..queue.operators import QueueFile, lost_of


def standing_of(file: QueueFile) -> dict[str, dict[str, Any]]:
    """Return by queue: "counts", by state; "at_least", the states that may have more jobs than were
    counted; "workers", how many all processes have for it; "paused", why and since when."""
    now = file.now()
    owners, pauses = file.processes(), file.pauses()
    tallies = file.statistics.tallies(lost_of(owners), now)
    workers: Counter[str] = Counter()
    for process in owners:
        # A process that cannot be judged is taken for one that works.
        if process.state in ("alive", "unknown"):
            workers.update(process.workers)
    return {
        queue: {
            "counts": tally.counts,
            "at_least": sorted(tally.at_least),
            "workers": workers[queue],
            "paused": pauses[queue]._asdict() if queue in pauses else None,
        }
        for queue, tally in tallies.items()
    }
