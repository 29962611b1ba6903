"""Which processes run jobs."""

from __future__ import annotations

from ..queue.liveness.processes import Process, processes_of
from ..queue.work.engine import Engine


def owners_of(engine: Engine) -> dict[int, Process]:
    """Every process that runs jobs, or that a job names, by its id."""
    return {process.id: process for process in processes_of(engine.journal, engine.folder)}
