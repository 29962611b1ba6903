"""Files that are opened on a disk that fails on the way: a clear error, nothing left half open."""

from __future__ import annotations

import functools
import shutil
import sqlite3
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final, Literal

import _oracle as oracle
from sprag.queue import DatabaseFull, Job, QueueError, QueueService
from sprag.queue.service import life_of

from .disk import FLAVOURS, FaultyDisk
from .plans import Case, Plan
from .trigger import Trigger
from .workload import DEADLINE, open_files

State = Literal["none", "closed", "crashed"]
"""What is there: no file; one that was closed; one whose process died with a job running, its last
commits in the WAL alone."""


STATES: Final[tuple[State, ...]] = ("none", "closed", "crashed")


class _Queue(QueueService):
    name = "work"
    worker_count = 1
    grace_seconds = 0.0
    busy_seconds = 0.25

    def handle_item(self, item: Any) -> Any:
        return item


class _Holding(_Queue):
    """Its one job stays running."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.inside = threading.Event()

    def handle_item(self, item: Any) -> Any:  # noqa: ARG002  # there is but one kind
        self.inside.set()
        while True:
            self.check_cancelled()
            threading.Event().wait(0.002)


def prepared(folder: Path, state: State) -> Path:
    """A folder with a file in that state, to be copied."""
    made = folder / state
    made.mkdir()
    if state == "closed":
        with _Queue(database=made / "jobs.db") as queue:
            queue.wait(queue.enqueue(1).id, DEADLINE)
        queue.enqueue(2)
        queue.stop()
    elif state == "crashed":
        live = folder / "live"
        live.mkdir()
        holding = _Holding(database=live / "jobs.db")
        with holding:
            holding.enqueue(1)
            holding.enqueue(2)
            if not holding.inside.wait(DEADLINE):
                raise TimeoutError("a job did not start")
            for path in live.iterdir():
                if path.is_dir():
                    shutil.copytree(path, made / path.name)
                elif not path.name.endswith("-shm"):
                    shutil.copy(path, made)
    return made


class Opening:
    """One opening of a copy of `source`, with a fault; `problems` says what was wrong with it."""

    def __init__(self, source: Path, folder: Path, disk: FaultyDisk, plan: Plan | None) -> None:
        shutil.copytree(source, folder)
        self._jobs = 2 if (source / "jobs.db").exists() else 0
        self._path = folder / "jobs.db"
        self._disk = disk
        self._disk.trigger = self._trigger = Trigger()
        if plan is not None:
            disk.flavour = plan.flavour
            self._trigger.arm(plan.at, plan.kind, plan.lasting)
        self.problems: list[str] = []
        self.errors = Counter[str]()
        self.calls: list[str] = []

    def run(self) -> list[str]:
        """What was wrong."""
        queue = _Queue(database=self._path, vfs=self._disk.vfs)
        try:
            self._steps(queue)
        except Exception:  # noqa: BLE001  # whatever it is, it is the verdict
            self.problems.append(traceback.format_exc())
            self._trigger.lift()
            queue.stop()
        return self.problems

    def _steps(self, queue: _Queue) -> None:
        before, others = self._left_open(), set(threading.enumerate())
        # What was read amiss must not be written back: that would be the fault of the disk alone.
        reads = self._disk.flavour == "short"
        for _ in range(2):
            try:
                queue.counts() if reads else queue.start()
            except QueueError as error:
                self.errors[type(error).__name__] += 1
                if str(self._path.parent) not in str(error):
                    self.problems.append(f"the file is not named: {error!r}")
            else:
                break
        self.calls = list(self._trigger.kinds)
        if life_of(queue).pool is None:
            queue.stop()
            self._check_closed(before, others, "a failed opening")
        self._trigger.lift()
        with queue:
            known = [job.id for job in queue.jobs()]
            if len(known) != self._jobs:
                self.problems.append(f"of {self._jobs} jobs, {len(known)} are left")
            for id_ in [*known, _accepted(queue).id]:
                queue.wait(id_, DEADLINE)
        self._check_closed(before, others, "the end")
        with closing(sqlite3.connect(self._path)) as connection:
            self.problems += oracle.audit(connection)
            file = oracle.read(connection)
        if file.owners:
            self.problems.append(f"owners that nobody is are left: {file.owners}")

    def _left_open(self) -> Counter[str]:
        files = open_files()
        return Counter({name: n for name, n in files.items() if str(self._path.parent) in name})

    def _check_closed(self, before: Counter[str], others: set[threading.Thread], when: str) -> None:
        left = self._left_open() - before
        if left:
            self.problems.append(f"after {when} is left open: {dict(left)}")
        threads = [
            thread for thread in threading.enumerate()
            if thread.name.startswith("sprag-") and thread not in others
            and thread.name != "sprag-log"  # writes what was logged, and ends by itself
        ]  # fmt: skip
        for thread in threads:
            thread.join(DEADLINE)  # the one that has stopped the queue is on its way out
        if running := [thread.name for thread in threads if thread.is_alive()]:
            self.problems.append(f"after {when} still run: {running}")


def _accepted(queue: QueueService) -> Job:
    """A new job, as soon as a disk that was full has room again."""
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            return queue.enqueue(3)
        except DatabaseFull:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def cases(root: Path, disk: FaultyDisk) -> Iterator[Case]:
    """An opening for each plan, of a file in each state."""
    for state in STATES:
        source = prepared(root, state)
        survey = Opening(source, root / f"survey-{state}", disk, None)
        if problems := survey.run():
            raise RuntimeError("an opening on a sound disk went wrong: " + "\n".join(problems))
        for plan in openings_of(survey.calls, state):
            yield Case(f"{state}: {plan}", functools.partial(_run, source, disk, plan))


def _run(
    source: Path, disk: FaultyDisk, plan: Plan, folder: Path
) -> tuple[list[str], Counter[str], bool]:
    done = Opening(source, folder, disk, plan)
    done.run()
    return done.problems, done.errors, bool(disk.trigger.failed)


def openings_of(kinds: Sequence[str], state: State) -> Iterator[Plan]:
    """Every plan for an opening that made these calls."""
    for at, kind in enumerate(kinds):
        verb = kind.rpartition(" ")[2]
        flavours = FLAVOURS[verb]
        if verb == "read" and state != "none":
            flavours = (*flavours, "short")
        for flavour in flavours:
            yield Plan(at, kind, flavour, "once")
            yield Plan(at, kind, flavour, "on")
