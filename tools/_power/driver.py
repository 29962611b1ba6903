"""Rounds of recording and searching, spread over some processes."""

from __future__ import annotations

import functools
import logging
import multiprocessing
import os
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from .log import Durability, Log, Mark, Op
from .search import Case, Search, Tally, replay
from .workload import record

PLAN: tuple[tuple[str, Durability], ...] = (
    ("life", "full"), ("owners", "full"), ("life", "normal"),
    ("owners", "normal"),
)  # fmt: skip
CHUNK = 25
"""Points that one process looks at in one go."""
_SHOWN = 3
_SHOWN_ENTRIES = 12


@dataclass(frozen=True)
class Saved:
    """A failure, in a file that `again` reads."""

    file: Path
    problems: list[str]


@dataclass
class Result:
    """What a search over one log came to."""

    shape: str
    durability: Durability
    operations: int
    tally: Tally = field(default_factory=Tally)
    failures: int = 0
    saved: list[Saved] = field(default_factory=list)


class Driver:
    """Works in `folder`, with so many processes. `sample` bounds the points of each log."""

    def __init__(self, folder: Path, seed: int, processes: int, sample: int | None) -> None:
        self._folder = folder
        self._seed = seed
        self._sample = sample
        self._pool = ProcessPoolExecutor(
            processes, multiprocessing.get_context("spawn"), initializer=quiet
        )
        quiet()

    def round(self, number: int) -> Iterator[Result]:
        """Each shape of work once."""
        for shape, durability in PLAN:
            name = f"{self._seed}-{number}-{shape}-{durability}"
            place = self._folder / name
            place.mkdir()
            log = record(place, shape, random.Random(name).randrange(2**31), durability)
            file = self._folder / f"{name}.log.gz"
            log.save(file)
            yield self._search(Result(shape, durability, 0), log, file, name)
            file.unlink()

    def close(self) -> None:
        """End the processes."""
        self._pool.shutdown(cancel_futures=True)

    def _search(self, result: Result, log: Log, file: Path, name: str) -> Result:
        result.operations = sum(isinstance(entry, Op) for entry in log.entries)
        points = log.points()
        if self._sample is not None and self._sample < len(points):
            points = sorted(random.Random(name).sample(points, self._sample))
        chunks = [points[n : n + CHUNK] for n in range(0, len(points), CHUNK)]
        look = functools.partial(_look, file, self._folder, name)
        for tally, failures, saved in self._pool.map(look, chunks):
            result.tally.add(tally)
            result.failures += failures
            result.saved += saved
        return result


def quiet() -> None:
    """No log from sprag: owners die here by the thousand, and it says so each time."""
    logging.getLogger("sprag.queue").disabled = True


def again(file: Path, folder: Path) -> tuple[str, list[str]]:
    """Which image a failure was that was saved, and what is wrong with it."""
    log, more = Log.load(file)
    case = Case(more["point"], more["model"], more["seed"])
    last = [f"  {_line(entry)}" for entry in log.entries[: case.point][-_SHOWN_ENTRIES:]]
    head = f"power lost after entry {case.point}, {case.model!r} with seed {case.seed!r}; the last:"
    return "\n".join([head, *last]), replay(log, case, folder)


def _line(entry: Op | Mark) -> str:
    match entry:
        case Op("write" as kind, file, place, data):
            return f"{kind} {file}: {len(data)} bytes at {place}"
        case Op("truncate" as kind, file, place):
            return f"{kind} {file} to {place} bytes"
        case Op("sync" | "sync folder" as kind, file, place):
            return f"{kind} {file or '.'}, begun after entry {place}"
        case Op(kind, file):
            return f"{kind} {file}"
        case Mark(what, words):
            return " ".join(["told:", what, *map(str, words)])


@functools.lru_cache(maxsize=1)
def _search_of(file: Path, folder: Path, seed: str) -> Search:
    # Kept from chunk to chunk: what it has seen it need not see again.
    log, _more = Log.load(file)
    return Search(log, folder / f"images-{os.getpid()}", seed)


def _look(
    file: Path, folder: Path, seed: str, points: Sequence[int]
) -> tuple[Tally, int, list[Saved]]:
    """In one of the processes: what is found at these points."""
    tally = _search_of(file, folder, seed).run(points)
    failures, tally.failures = tally.failures, []
    saved = []
    for n, failure in enumerate(failures[:_SHOWN]):
        path = folder / f"failure-{seed}-{points[0]}-{n}.log.gz"
        case = failure.case
        failure.log.save(path, point=case.point, model=case.model, seed=case.seed)
        saved.append(Saved(path, failure.problems))
    return tally, len(failures), saved
