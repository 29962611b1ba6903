"""The processes that run jobs of a file, as far as anyone can tell."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from ..queue.engine import Engine
from ..queue.owners import liveness


@dataclass(frozen=True, slots=True)
class Process:
    """An owner of jobs. "unknown": its lock file is missing; "gone": it has signed off, or its
    row was removed, and what it was is not known any more."""

    id: int
    state: Literal["alive", "dead", "unknown", "gone"]
    jobs: int = 0
    pid: int | None = None
    host: str | None = None
    started_at: float | None = None

    def shape(self) -> dict[str, Any]:
        """Its JSON form."""
        return asdict(self)


def processes_of(engine: Engine) -> list[Process]:
    """Every process that is known to run jobs."""
    journal = engine.journal
    states = {id_: liveness(engine.folder, token) for id_, token, *_ in journal.owners()}
    held = journal.held()
    # Whoever leaves removes its row first and its lock file then, so only what is still known
    # now is "unknown".
    return [
        Process(id_, states[id_], held.get(id_, 0), pid, host, at)
        for id_, _token, pid, host, at in journal.owners()
        if id_ in states
    ]
