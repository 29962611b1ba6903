"""The processes that run jobs of a file, as far as that can be known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from ..store.store import Store
from .owners import Liveness, doubt, liveness

_MOST: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Process:
    """One owner of jobs.

    "unknown": nobody can tell whether it is alive; `reason` says why, `remedy` what to do.
    "gone": even its row is gone, and `pid`, `host` and `started_at` with it.
    """

    id: int
    state: Literal["alive", "dead", "unknown", "gone"]
    jobs: int = 0
    pid: int | None = None
    host: str | None = None
    started_at: float | None = None
    token: str | None = None
    workers: dict[str, int] = field(default_factory=dict)
    """How many workers it has for each queue that it runs."""
    tasks: dict[str, list[str | None]] = field(default_factory=dict)
    """The tasks that it knows, of queues that have any; None is for jobs that belong to no task."""
    reason: str = ""
    remedy: str = ""

    def runs(self, queue: str, task: str | None) -> bool:
        """True if it has workers for the queue that know the task."""
        return queue in self.workers and task in self.tasks.get(queue, (None,))


def processes_of(store: Store, folder: Path) -> list[Process]:
    """Every owner that has a row, or that a job names. `folder` has the lock files."""
    owners = store.owners.all()
    states = {owner.id: _judged(folder, owner.token, owner.id) for owner in owners}
    # An owner that leaves removes its row first, and then its lock file. So an owner without a lock
    # file is unknown only if it still has a row now. The same holds for jobs whose owner has no
    # row: those are found in one statement.
    present = {owner.id for owner in store.owners.all()}
    held = store.owners.held()
    gone = Counter(job.owner for job in store.owners.unowned(_MOST))
    found = []
    for id_, token, pid, host, at, workers, tasks in owners:
        if id_ in present:
            state, *why = states[id_]
            found.append(
                Process(id_, state, held.get(id_, 0), pid, host, at, token, workers, tasks, *why)
            )
    return found + [Process(id_, "gone", jobs) for id_, jobs in sorted(gone.items())]


def lost_of(processes: Iterable[Process]) -> list[int]:
    """The ids of the processes that run their jobs no longer: dead ones, and those whose row is
    gone. Everything that shows jobs calls these jobs lost."""
    return [process.id for process in processes if process.state in ("dead", "gone")]


def _judged(folder: Path, token: str, owner: int) -> tuple[Liveness, str, str]:
    state = liveness(folder, token)
    why = doubt(folder, token, owner) if state == "unknown" else None
    if state == "unknown" and why is None:
        state = liveness(folder, token)  # meanwhile it can be judged after all
    return (state, *(why or ("", "")))
