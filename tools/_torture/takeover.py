"""How long it takes from a process's death until its jobs are with another one.

Measured for every job that ran in a process when it was killed, from the kill by the clock of who
killed it. It was *given back* when the journal says `recover` or `lose`, and it was *running again*
when the next handler was called for it: that includes its wait for a worker, behind jobs of a
higher priority and older ones. A job that had met its `max_crashes`, or was cancelled before it
could run again, counts as given back alone.

Nobody can take a job over while nobody lives. So the time runs from the moment since which some
other process was up without a break, if that is later than the death: since it began to open the
file, or since it was continued after a pause. Those are counted by themselves, and so are times in
which some process was paused: if it was about to commit just then, it keeps the write lock of the
file, and nobody can store anything until it is continued.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Literal

from _oracle import File, JobRow

from .life import KILLED, Life

Kind = Literal[
    "another process was up all the time", "since the next process began to open the file",
    "since a paused process was continued",
    "while another process was paused",
]  # fmt: skip

_CLOCK_SECONDS = 0.002


@dataclass
class Figures:
    """What was measured for one kind of death; seconds."""

    given_back: list[float] = field(default_factory=list)
    running: list[float] = field(default_factory=list)


@dataclass
class Takeovers:
    """All of them in a run."""

    kinds: dict[Kind, Figures] = field(default_factory=dict)
    deaths: int = 0
    """Processes that were killed while they ran jobs."""
    jobs: int = 0
    """Jobs that ran in them."""
    not_run_again: int = 0
    """Of those, the ones that were lost to max_crashes or cancelled."""
    unmeasured: int = 0
    """Times that are in no figure: whoever took the job was itself ending just then."""

    def figures(self, kind: Kind) -> Figures:
        """Those of one kind."""
        return self.kinds.setdefault(kind, Figures())

    def lines(self) -> Iterator[str]:
        """For people."""
        yield (
            f"{self.deaths} processes died with {self.jobs} running jobs; {self.not_run_again} of "
            f"these were not to run again, {self.unmeasured} times could not be measured"
        )
        for kind, figures in self.kinds.items():
            back, again = _shown(figures.given_back), _shown(figures.running)
            yield f"  {kind}: given back {back}; running again {again}"


def takeovers(lives: Sequence[Life], owner_of: Mapping[int, Life], file: File) -> Takeovers:
    """The times of a run. `owner_of` tells whose an owner id was."""
    found = Takeovers()
    spans = [span for life in lives for span in _spans(life)]
    pauses = [(since, min(until, life.ended_at)) for life in lives for since, until in life.pauses]
    handled = {(run.job, run.starts): run.at for life in lives for run in life.runs}
    dead: set[int] = set()
    for job in file.jobs.values():
        for owner, given_at, again_at in _given_back(job, handled):
            life = owner_of.get(owner)
            if life is None or life.code != KILLED:
                continue
            dead.add(owner)
            found.jobs += 1
            others = [span for span in spans if span.life is not life]
            back = _time(others, pauses, life.ended_at, given_at)
            if back is None:
                found.unmeasured += 1
            else:
                found.figures(back.kind).given_back.append(back.seconds)
            if again_at is None:
                found.not_run_again += 1
                continue
            again = _time(others, pauses, life.ended_at, again_at)
            if again is None:
                found.unmeasured += 1
            else:
                found.figures(again.kind).running.append(again.seconds)
    found.deaths = len(dead)
    return found


@dataclass(frozen=True)
class _Span:
    """From when until when a process was able to take jobs over."""

    life: Life
    begin: float
    end: float
    resumed: bool


def _spans(life: Life) -> Iterator[_Span]:
    begin, resumed = life.opened_at, False
    end = min(life.ended_at, life.termed_at)
    for since, until in life.pauses:
        yield _Span(life, begin, min(since, end), resumed)
        begin, resumed = until, True
    if begin < end:
        yield _Span(life, begin, end, resumed)


def _given_back(
    job: JobRow, handled: Mapping[tuple[str, int], float]
) -> Iterator[tuple[int, float, float | None]]:
    """(owner, when it was taken from it, when it ran again) for each time that happened."""
    starts = 0
    for move, following in zip(job.moves, [*job.moves[1:], None], strict=True):
        starts += move.event == "start"
        if move.event not in ("recover", "lose") or move.owner is None:
            continue
        again = None
        if following is not None and following.event == "start":
            # A process that died before it could say so has still stored the start.
            again = handled.get((job.id, starts + 1), following.at)
        yield move.owner, move.at, again


@dataclass(frozen=True)
class _Time:
    kind: Kind
    seconds: float


def _time(
    others: Iterable[_Span], pauses: Iterable[tuple[float, float]], died_at: float, at: float
) -> _Time | None:
    """From the death until `at`; None if nobody is known to have been up then."""
    up = [s for s in others if s.begin <= at + _CLOCK_SECONDS and at <= s.end + _CLOCK_SECONDS]
    if not up:
        return None
    first = min(up, key=lambda span: span.begin)
    begin = max(first.begin, died_at)
    kind: Kind = "another process was up all the time"
    if any(since < at and begin < until for since, until in pauses):
        kind = "while another process was paused"
    elif first.begin > died_at and first.resumed:
        kind = "since a paused process was continued"
    elif first.begin > died_at:
        kind = "since the next process began to open the file"
    return _Time(kind, max(at - begin, 0.0))


def _shown(seconds: Sequence[float]) -> str:
    if not seconds:
        return "never"
    worst = max(seconds, default=math.nan)
    return f"{len(seconds)} times, median {median(seconds):.3f} s, worst {worst:.3f} s"
