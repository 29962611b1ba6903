"""The processes that run jobs of a file, as far as anyone can tell."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from .owners import liveness
from .reader import Reader

_MOST: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Process:
    """One owner of jobs. "unknown": its lock file is missing; "gone": even its row is, and
    `pid`, `host` and `started_at` with it."""

    id: int
    state: Literal["alive", "dead", "unknown", "gone"]
    jobs: int = 0
    pid: int | None = None
    host: str | None = None
    started_at: float | None = None
    token: str | None = None
    workers: dict[str, int] = field(default_factory=dict)
    """How many it has for each queue that it runs."""


def processes_of(journal: Reader, folder: Path) -> list[Process]:
    """Every owner that is known, or that a job names. `folder` has the lock files."""
    rows = journal.owners()
    states = {id_: liveness(folder, token) for id_, token, *_ in rows}
    # Whoever leaves removes its row first and its lock file then: only what is still known
    # now is unknown. The same holds for what no row explains, so that is one statement.
    present = {row[0] for row in journal.owners()}
    held = journal.held()
    gone = Counter(owner for _id, owner in journal.unowned(_MOST))
    found = [
        Process(id_, states[id_], held.get(id_, 0), pid, host, at, token, json.loads(workers))
        for id_, token, pid, host, at, workers in rows
        if id_ in present
    ]
    return found + [Process(id_, "gone", jobs) for id_, jobs in sorted(gone.items())]
