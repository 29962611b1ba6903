"""Processes that are killed while they make a file, or bring an old one to the present format."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .life import Life
from .slot import Slot

# "SPRG"; written down once more, since nothing of sprag is imported here.
_APPLICATION_ID = 0x53505247
_MOST_SECONDS = 0.03
_OLD_ITEM = '["quick",1,"old"]'


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
    old_schema: Path | None,
    deadline: float,
) -> Births:
    """Let `processes` open a new file at once and kill each, `rounds` times; then the file must
    open, and hold what it held. Each second file is one of format 1, if `old_schema` makes one."""
    found = Births()
    for number in range(rounds):
        path = Path(f"birth-{number}.db")
        slots = [slot(f"birth-{number}-{n}", path) for n in range(processes)]
        file = slots[0].folder / path
        old = number % 2 == 1 and old_schema is not None
        if old and old_schema is not None:
            _make_old(file, old_schema)
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
        elif old:
            found.problems += _kept(file)
    return found


def _end(slot: Slot, ends: float) -> Life | None:
    life = slot.life
    if not slot.reap(max(0.1, ends - time.monotonic())):
        slot.kill()
        slot.reap(10)
    return life


def _make_old(path: Path, schema: Path) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(schema.read_text(encoding="utf-8"))
    connection.execute("INSERT INTO job (queue, item) VALUES ('torture', ?)", (_OLD_ITEM,))
    connection.executescript(f"PRAGMA application_id = {_APPLICATION_ID}; PRAGMA user_version = 1")
    connection.close()


def _kept(path: Path) -> Sequence[str]:
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    found = connection.execute("SELECT status, item FROM job").fetchall()
    connection.close()
    expected = [("completed", _OLD_ITEM)]
    return [] if found == expected else [f"{path.name} held one job, and now holds {found}"]
