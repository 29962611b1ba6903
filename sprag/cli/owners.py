"""The processes that run the jobs of a file, as an operator sees them."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..queue import Job
from ..queue.operators import OWNED, Process, QueueFile, lost_of


@dataclass(frozen=True, slots=True)
class Owner(Process):
    """Like Process, with what an operator needs to know."""

    def shape(self) -> dict[str, Any]:
        """Return its JSON form."""
        facts = asdict(self)
        del facts["token"], facts["remedy"]
        return {**facts, "advice": self.advice}

    @property
    def pid_runs(self) -> bool:
        """True if a process with its pid runs on this machine: this one, or a later one."""
        if self.pid is None or self.host != socket.gethostname():
            return False
        try:
            os.kill(self.pid, 0)
        except (ProcessLookupError, OverflowError):  # no process can have such a pid
            return False
        except OSError:
            return True  # it exists, and belongs to another user
        return True

    @property
    def advice(self) -> str:
        """Return what the operator should do about it, or an empty string."""
        command = f"sprag recover --owner {self.id}"
        match self.state:
            case "dead":
                return f"a worker that runs or starts takes over its jobs; so does `{command}`"
            case "unknown":
                return self.remedy
            case "gone":
                return f"no process will recover its jobs; run `{command}`"
            case _:
                return ""


def owners_of(file: QueueFile) -> list[Owner]:
    """Return every process that the file knows, or that a job names."""
    return [Owner(**asdict(process)) for process in file.processes()]


def lost_among(
    file: QueueFile, jobs: Iterable[Job], owners: Sequence[Process] | None = None
) -> frozenset[str]:
    """Return the ids of those of these jobs that do not run although their status says so, because
    their process died. `owners` has the processes if they are known already."""
    held = {job.id for job in jobs if job.status in OWNED}
    if not held:
        return frozenset()
    gone = lost_of(owners_of(file) if owners is None else owners)
    return frozenset(held & file.search.held_by(gone))
