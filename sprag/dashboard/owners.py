"""Which processes run jobs, and which of them are dead."""

from __future__ import annotations

from collections.abc import Iterable

from ..queue.engine import Engine
from ..queue.processes import Process, processes_of


def owners_of(engine: Engine) -> dict[int, Process]:
    """Every process that runs jobs, or that a job names, by its id."""
    return {process.id: process for process in processes_of(engine.journal, engine.folder)}


def lost_of(processes: Iterable[Process]) -> list[int]:
    """The ids of those whose jobs do not run: they are dead, or even their row is gone."""
    return [process.id for process in processes if process.state in ("dead", "gone")]
