"""The course of a run: start processes on one file, end them at random moments, look on."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import _oracle as oracle

from .slot import CHILD, Slot

DEADLINE = 120.0
"""Seconds after which something that must happen is taken for something that never will."""
_POISON_SECONDS = 4.0
_AUDIT_SECONDS = 1.5


@dataclass(frozen=True)
class Plan:
    """What a run is to be."""

    python: Path
    env: dict[str, str]
    folder: Path
    seconds: float
    seed: int
    processes: int


@dataclass
class Record:
    """What happened in a run."""

    slots: list[Slot]
    problems: list[str]
    audits: int = 0
    kills: int = 0
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
        # The same in all processes, as it should be; which one is the seed's choice.
        durability = self._noise.choice(["full", "normal"])
        command = [
            str(plan.python), str(CHILD), str(self.database), "--durability", durability,
        ]  # fmt: skip
        self._slots = [
            Slot(f"process-{n}", plan.folder, command, plan.env) for n in range(plan.processes)
        ]
        self._drainer = Slot("drain", plan.folder, command, plan.env)
        self._record = Record([*self._slots, self._drainer], [])

    def run(self) -> Record:
        """Torture for a while, kill everything, look at the file, then run what is left."""
        end = time.monotonic() + self._plan.seconds
        poison_at = time.monotonic() + _POISON_SECONDS / 2
        audit_at = time.monotonic() + _AUDIT_SECONDS
        try:
            while time.monotonic() < end:
                for slot in self._slots:
                    slot.thaw()
                    if slot.reap() and self._noise.random() < 0.5:
                        more = ["--poison"] if time.monotonic() >= poison_at else []
                        poison_at += _POISON_SECONDS if more else 0
                        slot.start(self._noise.randrange(2**31), *more)
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
        return self._record

    def _strike(self) -> None:
        slot = self._noise.choice(self._slots)
        if slot.life is None or not slot.life.ready:
            return
        blows = {"kill": 40, "term": 15, "stop": 20, "kill all": 5, "none": 30}
        [blow] = self._noise.choices(list(blows), list(blows.values()))
        match blow:
            case "kill":
                self._record.kills += 1
                slot.kill()
            case "term":
                self._record.terms += 1
                slot.terminate()
            case "stop":
                self._record.stops += 1
                slot.freeze(self._noise.uniform(0.05, 0.6))
            case "kill all":
                self._record.kills += len(self._slots)
                for each in self._slots:
                    each.kill()
            case _:
                pass

    def _kill_all(self) -> None:
        for slot in (*self._slots, self._drainer):
            slot.kill()
        for slot in (*self._slots, self._drainer):
            slot.reap(DEADLINE)

    def _drain(self) -> None:
        """Run what is left, in as many processes as the poison among it takes."""
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            life = self._drainer.start(0, "--drain")
            if not self._drainer.reap(max(1.0, end - time.monotonic())):
                break
            if life.drained:
                return
        self._record.problems.append(f"jobs are left that nobody runs after {DEADLINE:g} s")
        self._kill_all()

    def _audit(self, when: str) -> None:
        if not self.database.exists():
            return
        self._record.audits += 1
        with opened(self.database) as connection:
            if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone() != (0,):
                found = oracle.audit(connection)
                self._record.problems += [f"{when}: {problem}" for problem in found[:20]]
