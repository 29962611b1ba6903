"""The course of a run: start processes on one file, end them at random moments, look on."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import _oracle as oracle

from .births import Births, births
from .slot import CHILD, Slot

DEADLINE = 120.0
"""Seconds after which something that must happen is taken for something that never will."""
_POISON_SECONDS = 4.0
_AUDIT_SECONDS = 1.5
_BIRTH_SECONDS = 15.0
_OPENING_SECONDS = 0.06
_GRACE_SECONDS = 0.3
_KILLS_SECONDS = 60.0
BLOWS = {
    "kill": 30, "term": 8, "term, then kill": 10, "stop": 22, "kill all": 6, "none": 24,
}  # fmt: skip
"""What is done to the processes, and how often."""


@dataclass(frozen=True)
class Plan:
    """What a run is to be."""

    python: Path
    env: dict[str, str]
    folder: Path
    seconds: float
    seed: int
    processes: int
    kills: int = 0
    """At least so many processes that are at work are killed, if it takes longer than that."""
    durability: Literal["full", "normal"] = "full"
    child: Path = CHILD
    """The program of the processes."""
    births: bool = True
    deadline: float = DEADLINE
    """Seconds that the last process has for what is left to run."""


@dataclass
class Record:
    """What happened in a run."""

    slots: list[Slot]
    problems: list[str] = field(default_factory=list)
    births: Births = field(default_factory=Births)
    audits: int = 0
    kills: int = 0
    """Of processes at work, those by "kill all" among them."""
    all_kills: int = 0
    terms: int = 0
    stops: int = 0


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The file, read-only: nothing that looks on may change it, checkpoints included."""
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None)
    try:
        connection.execute("PRAGMA busy_timeout = 30000")
        yield connection
    finally:
        connection.close()


class Driver:
    """One run. `run` returns what happened; the file is left for the verdict."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._noise = random.Random(plan.seed)
        self.database = plan.folder / "torture.db"
        self._slots = [self._slot(f"process-{n}", self.database) for n in range(plan.processes)]
        self._drainer = self._slot("drain", self.database)
        self._record = Record([*self._slots, self._drainer])

    def _slot(self, name: str, path: Path) -> Slot:
        plan = self._plan
        command = [
            str(plan.python), str(plan.child), str(plan.folder / path),
            # The same in all processes, as it should be.
            "--durability", plan.durability,
        ]  # fmt: skip
        return Slot(name, plan.folder, command, plan.env)

    def run(self) -> Record:
        """Torture for a while, kill everything, look at the file, then run what is left."""
        plan, record = self._plan, self._record
        if plan.births:
            rounds = 2 + int(plan.seconds / _BIRTH_SECONDS)
            record.births = births(rounds, plan.processes, self._noise, self._slot, DEADLINE)
            record.problems += record.births.problems
        begin = time.monotonic()
        poison_at = begin + _POISON_SECONDS / 2
        audit_at = begin + _AUDIT_SECONDS
        try:
            while self._goes_on(time.monotonic() - begin):
                for slot in self._slots:
                    slot.tend()
                    if slot.reap() and self._noise.random() < 0.5:
                        poison = time.monotonic() >= poison_at
                        poison_at += _POISON_SECONDS if poison else 0
                        self._start(slot, poison=poison)
                self._strike()
                if time.monotonic() >= audit_at:
                    self._audit("while it was written to")
                    audit_at = time.monotonic() + _AUDIT_SECONDS
                time.sleep(self._noise.uniform(0.01, 0.25))
        finally:
            self._kill_all()
        self._audit("after the last kill")
        self._drain()
        self._audit("at the end")
        return record

    def _goes_on(self, seconds: float) -> bool:
        plan = self._plan
        if seconds < plan.seconds or self._record.kills >= plan.kills:
            return seconds < plan.seconds
        # One that ends by itself, and its successors perhaps too, is never there to be killed.
        crashed = any(
            life.code is not None and life.asked is None
            for slot in self._slots
            for life in slot.lives
        )
        return seconds < _KILLS_SECONDS and not crashed

    def _start(self, slot: Slot, *, poison: bool) -> None:
        more = ["--poison"] if poison else []
        unanswered = slot.unanswered()
        # Some callers ask again; the wish of the others stays without an answer.
        if unanswered and self._noise.random() < 0.5:
            more += ["--repeat", *unanswered]
        kill = None
        if self._noise.random() < 0.1:
            kill = self._noise.uniform(0, _OPENING_SECONDS)
        slot.start(self._noise.randrange(2**31), *more, kill_when_opening=kill)

    def _strike(self) -> None:
        slot = self._noise.choice(self._slots)
        if slot.life is None or not slot.life.ready:
            return
        record, noise = self._record, self._noise
        [blow] = noise.choices(list(BLOWS), list(BLOWS.values()))
        match blow:
            case "kill":
                record.kills += slot.kill()
            case "term":
                record.terms += slot.terminate()
            case "term, then kill":
                record.terms += slot.terminate(noise.uniform(0, 1.5 * _GRACE_SECONDS))
            case "stop":
                # Long enough for the others to look at it several times.
                seconds = noise.uniform(0.05, 0.6) if noise.random() < 0.7 else 2.0
                record.stops += slot.freeze(seconds)
            case "kill all":
                record.all_kills += 1
                # All are dead before the first one can be missed.
                record.kills += sum([each.kill() for each in self._slots])
            case _:
                pass

    def _kill_all(self) -> None:
        for slot in (*self._slots, self._drainer):
            slot.kill()
        for slot in (*self._slots, self._drainer):
            slot.reap(DEADLINE)

    def _drain(self) -> None:
        """Run what is left, in as many processes as the poison among it takes."""
        end = time.monotonic() + self._plan.deadline
        while time.monotonic() < end:
            life = self._drainer.start(0, "--drain")
            if not self._drainer.reap(max(1.0, end - time.monotonic())):
                break
            if life.drained:
                return
            if life.asked is None:  # nothing that another one could mend
                break
        left = f"jobs are left that nobody runs after {self._plan.deadline:g} s"
        self._record.problems.append(left)
        self._kill_all()

    def _audit(self, when: str) -> None:
        if not self.database.exists():
            return
        self._record.audits += 1
        with opened(self.database) as connection:
            if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone() != (0,):
                found = oracle.audit(connection)
                self._record.problems += [f"{when}: {problem}" for problem in found[:20]]
