"""How the queues of a file stand at this moment: how many jobs are in which state."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ..queue.operators import QueueFile, lost_of, waiting_for


def standing_of(file: QueueFile) -> dict[str, dict[str, Any]]:
    """Return by queue: "counts", by state; "at_least", the states that may have more jobs than were
    counted; "workers", how many all processes have for it; "tasks", those that they know, by name;
    "unknown", those with jobs that are ready and that none of them knows, which is None for jobs
    that belong to no task, each with their number and what to say; "paused", why and since when."""
    now = file.now()
    owners, pauses = file.processes(), file.pauses()
    tallies = file.statistics.tallies(lost_of(owners), now)
    workers: Counter[str] = Counter()
    tasks: dict[str, set[str | None]] = {}
    for process in owners:
        # A process that cannot be judged is taken for one that works.
        if process.state in ("alive", "unknown"):
            workers.update(process.workers)
            for queue, known in process.tasks.items():
                tasks.setdefault(queue, set()).update(known)
    unknown = file.unknown_tasks(tallies) if tallies else {}
    return {
        queue: {
            "counts": tally.counts,
            "at_least": sorted(tally.at_least),
            "workers": workers[queue],
            "paused": pauses[queue]._asdict() if queue in pauses else None,
            "tasks": sorted(filter(None, tasks.get(queue, ()))),
            "unknown": [
                {"task": task, "jobs": count, "words": waiting_for(task, count)}
                for task, count in unknown.get(queue, {}).items()
            ],
        }
        for queue, tally in tallies.items()
    }
