"""Table: verdicts on the bars, as figures and as text."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from .plan import Bar, Unit
from .runner import Round

NOISY = 1.5
"""From this ratio of the largest to the smallest round on, a row is marked."""

_SCALES: dict[Unit, tuple[float, str]] = {
    "x": (1, "x"), "us": (1e6, " µs"), "ms": (1e3, " ms"), "s": (1, " s"), "MB": (1e-6, " MB"),
    "KB": (1e-3, " KB"), "writes": (1, ""), "count": (1, ""),
}  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """What a bar came to: `measured` is the median of `rounds`; None if nobody could measure it."""

    bar: Bar
    best: str | None
    rounds: Sequence[float]
    medians: dict[str, float]

    @property
    def measured(self) -> float | None:
        return statistics.median(self.rounds) if self.rounds else None

    @property
    def met(self) -> bool | None:
        if self.measured is None:
            return None
        if self.bar.at_least:
            return self.measured >= self.bar.limit
        return self.measured <= self.bar.limit

    @property
    def noisy(self) -> bool:
        return bool(self.rounds) and max(self.rounds) > NOISY * min(self.rounds)


def judge(bar: Bar, rounds: Sequence[Round]) -> Verdict:
    """Hold the rounds of a group against one of its bars.

    The best of the others is the one with the best median; the ratio is taken in each round.
    """
    shown = (bar.ours, *bar.against, *bar.references)
    figures = {
        name: [figures[name][bar.metric] for figures in rounds if bar.metric in figures[name]]
        for name in shown
    }
    medians = {name: statistics.median(values) for name, values in figures.items() if values}
    if not bar.against:
        return Verdict(bar, None, figures[bar.ours], medians)
    choose = max if bar.at_least else min
    best = choose(bar.against, key=medians.__getitem__)
    ratios = [a / b for a, b in zip(figures[bar.ours], figures[best], strict=True)]
    return Verdict(bar, best, ratios, medians)


def render(verdicts: Sequence[Verdict]) -> str:
    """The table as text, one verdict a line, with the medians in absolute figures behind."""
    lines = [("work", "bar", "measured", "rounds", "met?", "medians"), *map(_cells, verdicts)]
    widths = [max(len(line[n]) for line in lines) for n in range(5)]
    rule = "  ".join("-" * width for width in widths)
    rows = [
        "  ".join(
            [*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[5]]
        )
        for line in lines
    ]
    return "\n".join([rows[0], rule, *rows[1:]])


def record(verdicts: Sequence[Verdict]) -> list[dict[str, object]]:
    """The table as data, in seconds, bytes and jobs a second."""
    return [
        {
            "work": verdict.bar.work,
            "limit": verdict.bar.limit,
            "at_least": verdict.bar.at_least,
            "unit": verdict.bar.unit,
            "measured": verdict.measured,
            "met": verdict.met,
            "noisy": verdict.noisy,
            "best": verdict.best,
            "rounds": list(verdict.rounds),
            "medians": verdict.medians,
        }
        for verdict in verdicts
    ]


def _cells(verdict: Verdict) -> tuple[str, str, str, str, str, str]:
    bar = verdict.bar
    sign = ">=" if bar.at_least else "<="
    met = {True: "met", False: "NOT met", None: "not measured here"}[verdict.met]
    return (
        bar.work,
        f"{sign} {_amount(bar.limit, bar.unit)}",
        "-" if verdict.measured is None else _amount(verdict.measured, bar.unit),
        _range(verdict.rounds, bar.unit),
        met + (", noisy" if verdict.noisy else ""),
        _medians(verdict) if bar.against or bar.references else "",
    )


def _amount(value: float, unit: Unit) -> str:
    scale, suffix = _SCALES[unit]
    scaled = value * scale
    return (f"{scaled:.0f}" if unit in ("writes", "count") else f"{scaled:.3g}") + suffix


def _range(rounds: Sequence[float], unit: Unit) -> str:
    if not rounds:
        return "-"
    scale, _ = _SCALES[unit]
    return f"{min(rounds) * scale:.3g} .. {max(rounds) * scale:.3g}"


def _medians(verdict: Verdict) -> str:
    bar = verdict.bar
    named = []
    for name, value in verdict.medians.items():
        if bar.metric == "rate":
            amount = f"{value:,.0f}/s"
        else:
            amount = f"{value * 1e3:.3f} ms" if bar.unit == "x" else _amount(value, bar.unit)
        mark = "*" if name == verdict.best else ""
        named.append(f"({name} {amount})" if name in bar.references else f"{name}{mark} {amount}")
    return ", ".join(named)
