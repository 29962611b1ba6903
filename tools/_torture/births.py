"""Processes that are killed while they make a file."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from .life import Life
from .slot import Slot

_MOST_SECONDS = 0.03


@dataclass
class Births:
    """What came of some rounds."""

    files: int = 0
    killed: int = 0
    """Processes that were killed before they were ready."""
    problems: list[str] = field(default_factory=list)


def births(
    rounds: int,
    processes: int,
    noise: random.Random,
    slot: Callable[[str, Path], Slot],
    deadline: float,
) -> Births:
    """Let `processes` open a new file at once and kill each, `rounds` times; then the file must
    open, and hold what it held."""
    found = Births()
    for number in range(rounds):
        path = Path(f"birth-{number}.db")
        slots = [slot(f"birth-{number}-{n}", path) for n in range(processes)]
        for each in slots:
            each.start(0, "--drain", kill_when_opening=noise.uniform(0, _MOST_SECONDS))
        ends = time.monotonic() + deadline
        lives = [_end(each, ends) for each in slots]
        found.files += 1
        found.killed += sum(not life.ready for life in lives if life is not None)
        survivor = slot(f"birth-{number}-at-last", path)
        life = survivor.start(0, "--drain")
        if not survivor.reap(deadline) or not life.drained:
            survivor.kill()
            survivor.reap(deadline)
            found.problems.append(f"{path} cannot be used: {life.log.read_text()[-2000:]}")
    return found


def _end(slot: Slot, ends: float) -> Life | None:
    life = slot.life
    if not slot.reap(max(0.1, ends - time.monotonic())):
        slot.kill()
        slot.reap(10)
    return life
