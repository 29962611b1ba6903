"""Cut the power at every point of a log, in every way, and look at what is left."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from _oracle import ENDS, File

from .check import Content, digest, look, run_to_end
from .disk import MODELS, Disk, Files
from .log import Log, Mark, Op
from .verdict import History, Told, backed_up, kept, result_of, true_so_far

AGAIN = 12
"""Of so many images whose content was run to its end before, one is run all the same."""
RECORDED = 6
"""Of so many runs, the power fails during one as well."""
SECOND_POINTS = 8
"""At so many points of it."""

_EMPTY = File({}, [], [], set(), 0, [])


@dataclass(frozen=True)
class Case:
    """One image of a log."""

    point: int
    """The number of entries that took place."""
    model: str
    seed: str


@dataclass
class Failure:
    """An image that is not as it must be."""

    log: Log
    case: Case
    problems: list[str]


@dataclass
class Tally:
    """What a search came to. Equal images have equal digests."""

    points: int = 0
    images: int = 0
    distinct: set[bytes] = field(default_factory=set)
    runs: int = 0
    recoveries: int = 0
    """Runs during which the power failed again."""
    failures: list[Failure] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Count another search, too."""
        self.points += other.points
        self.images += other.images
        self.distinct |= other.distinct
        self.runs += other.runs
        self.recoveries += other.recoveries
        self.failures += other.failures


class Search:
    """Looks at the images of one log, in a folder for itself.

    With `second`, the power also fails during the recovery of some.
    """

    def __init__(self, log: Log, folder: Path, seed: str, *, second: bool = True) -> None:
        self._log = log
        self._folder = folder
        self._seed = seed
        self._second = second
        self._history = History.of(log)
        self._contents: dict[bytes, Content] = {}
        """What each image holds. Many hold the same."""
        self._shared: dict[tuple[bytes, tuple[str, ...]], Content] = {}
        self._judged: set[tuple[bytes, int, bool]] = set()
        self._ran: set[bytes] = set()
        self._tally = Tally()

    def run(self, points: Sequence[int]) -> Tally:
        """Cut the power at these points."""
        self._tally = Tally()
        disk, told, at = Disk(self._log.initial), Told(), 0
        for point in sorted(points):
            _advance(disk, told, self._log, at, point)
            at = point
            self._tally.points += 1
            for model, times in MODELS.items():
                for n in range(times):
                    self._look(Case(point, model, f"{self._seed}/{point}/{model}/{n}"), disk, told)
        return self._tally

    def _look(self, case: Case, disk: Disk, told: Told) -> None:
        files = disk.image(case.model, random.Random(case.seed))
        tally, key = self._tally, digest(files)
        tally.images += 1
        content = self._contents.get(key)
        new = content is None
        if content is None:
            content = look(self._folder, files)
            content = self._shared.setdefault((content.digest, content.problems), content)
            self._contents[key] = content
            tally.distinct.add(key)
        problems = list(content.problems)
        strict = _strict(self._log, case)
        # The same content may be judged again: more was told since.
        if not problems and (content.digest, case.point, strict) not in self._judged:
            self._judged.add((content.digest, case.point, strict))
            problems = _judge(content, told, self._history, strict)
        again = new and len(self._contents) % AGAIN == 0
        if not problems and (content.digest not in self._ran or again):
            self._ran.add(content.digest)
            problems = self._run(case, files, content.file)
        if problems:
            tally.failures.append(Failure(self._log, case, problems))

    def _run(self, case: Case, files: Files, before: File | None) -> list[str]:
        self._tally.runs += 1
        if not self._second or self._tally.runs % RECORDED:
            return run_to_end(self._folder, files, before, self._log.durability)
        log = _recovery_of(self._log, case, files, before)
        problems = run_to_end(self._folder, files, before, log.durability, log)
        log.close()
        if not problems:
            noise = random.Random(case.seed)
            points = log.points()
            search = Search(log, self._folder, case.seed, second=False)
            self._tally.recoveries += 1
            found = search.run(noise.sample(points, min(SECOND_POINTS, len(points))))
            self._tally.add(found)
        return problems


def replay(log: Log, case: Case, folder: Path) -> list[str]:
    """Look at one image of a log; what is wrong with it."""
    disk, told = Disk(log.initial), Told()
    _advance(disk, told, log, 0, case.point)
    files = disk.image(case.model, random.Random(case.seed))
    content = look(folder, files)
    return (
        list(content.problems)
        or _judge(content, told, History.of(log), _strict(log, case))
        or run_to_end(folder, files, content.file, log.durability)
    )


def _advance(disk: Disk, told: Told, log: Log, begin: int, end: int) -> None:
    for number in range(begin, end):
        entry = log.entries[number]
        if isinstance(entry, Op):
            disk.advance(number, entry)
    told.hear(log.entries[begin:end])


def _strict(log: Log, case: Case) -> bool:
    """Whether nothing may be missing: "normal" promises that for a killed process alone."""
    return log.durability == "full" or case.model == "kept"


def _judge(content: Content, told: Told, history: History, strict: bool) -> list[str]:
    file = content.file or _EMPTY
    problems = [*true_so_far(file, told, history), *backed_up(content.backups, told)]
    return problems + list(kept(file, told)) if strict else problems


def _recovery_of(log: Log, case: Case, files: Files, before: File | None) -> Log:
    """The log of a recovery, in which all that was there when it began is known already."""
    recovery = Log(files, log.durability)
    known = _strict(log, case)
    for entry in log.entries[: case.point]:
        if isinstance(entry, Mark) and (known or entry.what == "died"):
            recovery.add(entry)
    if before is not None:
        recovery.tell("accepted", [[job, None] for job in before.jobs])
        for job in before.jobs.values():
            if job.status in ENDS:
                recovery.tell("ended", job.id, job.status, result_of(job))
        for owner in before.owners:
            recovery.tell("died", owner)
    return recovery
