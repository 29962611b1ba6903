"""What is known of one process that was tortured: all that it said, and what was done to it."""

from __future__ import annotations

import math
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

KILLED = -signal.SIGKILL
TERMINATED = 128 + signal.SIGTERM


@dataclass(frozen=True)
class Announced:
    """A signal that a subscriber was given."""

    seq: int
    job: str
    event: str
    status: str


@dataclass(frozen=True)
class Ran:
    """A run that a handler was called for."""

    job: str
    starts: int
    at: float


@dataclass
class Life:
    """One process, from its start to its end. Times are unix seconds, those of the file too."""

    pid: int
    log: Path
    code: int | None = None
    """Its exit code, once it has ended."""
    asked: Literal["kill", "term", "poison"] | None = None
    """How it was asked to end; None while nobody did."""
    opened_at: float = math.inf
    """When it began to open the file."""
    ready: bool = False
    termed_at: float = math.inf
    """When it was sent SIGTERM, if it was."""
    ended_at: float = math.inf
    """Not before this time it may have been dead."""
    pauses: list[tuple[float, float]] = field(default_factory=list)
    """From SIGSTOP to SIGCONT, or for ever."""
    drained: bool = False
    asking: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Kind and number by wish: what it was about to enqueue."""
    enqueued: dict[str, str] = field(default_factory=dict)
    """Job id by wish: what was acknowledged."""
    refused: dict[str, str] = field(default_factory=dict)
    """The error by wish: what was not."""
    cancelled: set[str] = field(default_factory=set)
    runs: list[Ran] = field(default_factory=list)
    signals: list[Announced] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether it left in order, and signed off."""
        return self.code == TERMINATED or self.drained

    @property
    def killed_in_grace(self) -> bool:
        """Whether SIGKILL cut off what SIGTERM had begun."""
        return self.code == KILLED and self.termed_at < math.inf

    def note(self, line: bytes) -> None:
        """Take a line that it said."""
        match line.decode().split():
            case ["opening", at]:
                self.opened_at = float(at)
            case ["ready"]:
                self.ready = True
            case ["drained"]:
                self.drained = True
            case ["asking", wish, kind, number]:
                self.asking[wish] = (kind, number)
            case ["enqueued", wish, job]:
                self.enqueued[wish] = job
            case ["refused", wish, error]:
                self.refused[wish] = error
            case ["cancelled", job, _status]:
                self.cancelled.add(job)
            case ["requeued", _job]:
                pass
            case ["running", job, starts, at]:
                self.runs.append(Ran(job, int(starts), float(at)))
            case ["dying", _job, at]:
                self.asked = "poison"
                self.ended_at = min(self.ended_at, float(at))
            case ["signal", seq, job, event, status]:
                self.signals.append(Announced(int(seq), job, event, status))
            case words:
                raise ValueError(f"process {self.pid} is not understood: {words!r}")
