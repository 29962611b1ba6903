"""The processes that run jobs of a file, as far as anyone can tell."""

from __future__ import annotations

import os
import socket
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from ..queue.engine import Engine
from ..queue.owners import liveness

State = Literal["alive", "dead", "unknown", "gone"]


@dataclass(frozen=True, slots=True)
class Owner:
    """One owner of jobs. "unknown": its lock file is missing; "gone": even its row is, and
    `pid`, `host` and `started_at` with it."""

    id: int
    state: State
    jobs: int
    pid: int | None = None
    host: str | None = None
    started_at: float | None = None
    token: str | None = None

    def shape(self) -> dict[str, Any]:
        """Its JSON form."""
        facts = asdict(self)
        del facts["token"]
        return {**facts, "advice": self.advice}

    @property
    def pid_runs(self) -> bool:
        """Whether a process of its number runs on this machine: it, or a later one."""
        if self.pid is None or self.host != socket.gethostname():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except OSError:
            return True  # there is one, of another user
        return True

    @property
    def advice(self) -> str:
        """What the operator should do about it; empty for nothing."""
        command = f"sprag recover --owner {self.id}"
        match self.state:
            case "dead":
                return f"its jobs are taken over when a worker runs or starts, or by `{command}`"
            case "unknown":
                return (
                    "its lock file is missing, so its jobs are left alone; if the process is gone "
                    f"for certain, run `{command}`"
                )
            case "gone":
                return f"nobody looks after its jobs any more; run `{command}`"
            case _:
                return ""


def owners_of(engine: Engine) -> list[Owner]:
    """Every owner that is known, or that a job names."""
    journal = engine.journal
    rows = journal.owners()
    states = {id_: liveness(engine.folder, token) for id_, token, *_ in rows}
    # Whoever leaves removes its row first and its lock file then: only what is still known
    # now is unknown. The same holds for what no row explains, so that is one statement.
    present = {row[0] for row in journal.owners()}
    held = journal.held()
    gone = Counter(owner for _id, owner in journal.unowned(_MOST))
    found = [
        Owner(id_, states[id_], held.get(id_, 0), pid, host, at, token)
        for id_, token, pid, host, at in rows
        if id_ in present
    ]
    return found + [Owner(id_, "gone", jobs) for id_, jobs in sorted(gone.items())]


_MOST: Final = 1_000_000
