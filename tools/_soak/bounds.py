"""The verdict on a series of samples: what is flat, what is bounded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from .sample import Sample

WAL_LIMIT = 16.8
"""MB. sprag cuts the write-ahead log's file back to 16 MiB when it begins it anew."""


@dataclass(frozen=True)
class Figure:
    """A column of the samples. With `factor`, its median over the last third may be at most that
    of the first third, times `factor`, plus `more`; without, it is only shown."""

    name: str
    value: Callable[[Sample], float]
    unit: str = ""
    factor: float | None = None
    more: float = 0.0
    digits: int = 0


FIGURES = (
    Figure("memory, resident", lambda s: s.memory, "MB", 1.1, 8.0, digits=1),
    Figure("threads", lambda s: s.threads, "", 1.0, 2.0),
    # A queue keeps as many connections to read with as ever read at once: two files each.
    Figure("file descriptors", lambda s: s.descriptors, "", 1.0, 10.0),
    Figure("write-ahead log", lambda s: s.wal, "MB", digits=1),
    Figure("database file", lambda s: s.database, "MB", 1.25, 4.0, digits=1),
    Figure("jobs that wait", lambda s: s.backlog),
    Figure("jobs ended a second", lambda s: s.rate),
)


@dataclass(frozen=True)
class Finding:
    """One verdict, in words, and whether it is good."""

    good: bool
    said: str


def table(samples: Sequence[Sample]) -> list[str]:
    """Markdown: each figure after the warm-up, at the median, at its worst and at the end."""
    lines = ["| figure | start | median | worst | end |", "|---|---|---|---|---|"]
    for figure in FIGURES:
        values = [figure.value(sample) for sample in samples]
        worst = min(values) if figure.name == "jobs ended a second" else max(values)
        shown = (f"{v:,.{figure.digits}f}" for v in (values[0], median(values), worst, values[-1]))
        unit = f" ({figure.unit})" if figure.unit else ""
        lines.append(f"| {figure.name}{unit} | {' | '.join(shown)} |")
    return lines


def findings(samples: Sequence[Sample], settle_seconds: float) -> list[Finding]:
    """The verdicts on samples that were taken after the warm-up. The write-ahead log must be back
    at its limit `settle_seconds` after a reader let go."""
    flat = [_flat(figure, samples) for figure in FIGURES if figure.factor is not None]
    return [*flat, _bounded(samples, settle_seconds)]


def _flat(figure: Figure, samples: Sequence[Sample]) -> Finding:
    third = len(samples) // 3
    if third == 0 or figure.factor is None:
        return Finding(False, f"{figure.name}: too few samples ({len(samples)})")
    values = [figure.value(sample) for sample in samples]
    first, last = median(values[:third]), median(values[-third:])
    bound = first * figure.factor + figure.more
    return Finding(
        last <= bound,
        f"{figure.name}: {first:.{figure.digits}f} in the first third, "
        f"{last:.{figure.digits}f} in the last, bound {bound:.{figure.digits}f} {figure.unit}"
        .rstrip(),
    )  # fmt: skip


def _bounded(samples: Sequence[Sample], settle_seconds: float) -> Finding:
    free = [sample.wal for sample in samples if sample.released >= settle_seconds]
    held = [sample.wal for sample in samples if sample.released == 0]
    if not free or not held:
        return Finding(False, "write-ahead log: never seen both with a stuck reader and without")
    return Finding(
        max(free) <= WAL_LIMIT,
        f"write-ahead log: {max(held):.1f} MB at most while a reader held on, {max(free):.1f} MB "
        f"from {settle_seconds:g} s after it let go, bound {WAL_LIMIT:g} MB",
    )
