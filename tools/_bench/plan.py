"""Plan: the words in which a row of the table is written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Unit = Literal["x", "us", "ms", "s", "MB", "KB", "writes", "count"]


@dataclass(frozen=True)
class Case:
    """One measurement of a round; `label` names its figures to the bars.

    `apart` gives it a fresh file where the others of its group share one.
    """

    subject: str
    measure: str
    sync: str
    options: dict[str, Any] = field(default_factory=dict)
    label: str = ""
    apart: bool = False

    @property
    def name(self) -> str:
        return self.label or self.subject


@dataclass(frozen=True)
class Bar:
    """A figure and its limit.

    With `against`, it is the ratio of `ours` to the best of those cases; the `references` are
    shown beside it. Without, it is the figure itself, in `unit`.
    """

    work: str
    metric: str
    limit: float
    at_least: bool
    ours: str = "sprag"
    against: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    unit: Unit = "x"


@dataclass(frozen=True)
class Group:
    """Cases that run one after the other in each round, and the bars they answer.

    Each case has a fresh file; with `file`, those of a round share a copy of that large file.
    """

    key: str
    cases: tuple[Case, ...]
    bars: tuple[Bar, ...]
    file: Literal["finished", "queued"] | None = None


def without(groups: Iterable[Group], subjects: Iterable[str]) -> list[Group]:
    """The groups with none of these subjects, which cannot be measured here."""
    missing = set(subjects)

    def present(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name for name in names if name not in missing)

    return [
        replace(
            group,
            cases=tuple(case for case in group.cases if case.subject not in missing),
            bars=tuple(
                replace(bar, against=present(bar.against), references=present(bar.references))
                for bar in group.bars
            ),
        )
        for group in groups
    ]


def each_kind(groups: Iterable[Group]) -> list[Group]:
    """Those groups that measure something in a way that none before them does."""
    seen: set[tuple[str, str]] = set()
    kept = []
    for group in groups:
        kinds = {(case.subject, case.measure) for case in group.cases}
        if not kinds <= seen:
            kept.append(group)
            seen |= kinds
    return kept


@dataclass(frozen=True)
class Sizes:
    """How much of everything; `quick` is for a look, not for a verdict, and `smoke` shows that
    every kind of measurement runs."""

    jobs: int = 5000
    calls: int = 50
    batch: int = 1000
    samples: int = 200
    loops: int = 200_000
    million: int = 1_000_000
    memory: int = 100_000
    sockets: int = 1000
    seconds: float = 1.5
    imports: int = 15

    @classmethod
    def quick(cls) -> Sizes:
        return cls(
            jobs=1000,
            calls=5,
            samples=60,
            loops=50_000,
            million=100_000,
            memory=20_000,
            sockets=200,
        )

    @classmethod
    def smoke(cls) -> Sizes:
        return cls(
            jobs=80,
            calls=2,
            batch=20,
            samples=10,
            loops=1000,
            million=1000,
            memory=10_000,
            sockets=20,
            seconds=0.1,
            imports=1,
        )
