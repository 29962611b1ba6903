"""The processes that run jobs of a file, for the person who operates them."""

from __future__ import annotations

import os
import socket
from dataclasses import asdict, dataclass
from typing import Any

from ..queue.engine import Engine
from ..queue.processes import Process, processes_of


@dataclass(frozen=True, slots=True)
class Owner(Process):
    """Like Process, with what an operator wants to know of it."""

    def shape(self) -> dict[str, Any]:
        """Its JSON form."""
        facts = asdict(self)
        del facts["token"], facts["remedy"]
        return {**facts, "advice": self.advice}

    @property
    def pid_runs(self) -> bool:
        """Whether a process of its number runs on this machine: it, or a later one."""
        if self.pid is None or self.host != socket.gethostname():
            return False
        try:
            os.kill(self.pid, 0)
        except (ProcessLookupError, OverflowError):  # there cannot be one of such a number
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
                return self.remedy
            case "gone":
                return f"nobody looks after its jobs any more; run `{command}`"
            case _:
                return ""


def owners_of(engine: Engine) -> list[Owner]:
    """Every owner that is known, or that a job names."""
    return [Owner(**asdict(process)) for process in processes_of(engine.journal, engine.folder)]
