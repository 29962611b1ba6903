"""Counts of jobs by state, their rates, and the tables that show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rich.table import Table
from rich.text import Text

from ..queue import STATUSES
from ..queue.journal import Journal
from ..queue.states import Event, Status
from .render import STATUS_STYLES, table
from .text import duration, one_line, rate

_WINDOW: Final = 100_000

_RATES: Final[dict[str, tuple[Event, ...]]] = {
    "ENQUEUED": ("enqueue", "requeue"),
    "STARTED": ("start",),
    "COMPLETED": ("complete",),
    "FAILED": ("fail", "lose"),
    "RETRIED": ("retry", "recover"),
}


@dataclass(frozen=True, slots=True)
class Rates:
    """The moves of the last `seconds`, by queue and event."""

    seconds: float
    moves: Mapping[str, Mapping[Event, int]]

    def per_second(self, queue: str, events: Sequence[Event]) -> float:
        counted = self.moves.get(queue, {})
        return sum(counted.get(event, 0) for event in events) / self.seconds


def measure(journal: Journal, now: float, seconds: float, window: int = _WINDOW) -> Rates:
    """Return the moves of the last `seconds`, or of a shorter time if there were over `window`."""
    since = now - seconds
    oldest = journal.statistics.window_start(window)
    if oldest is not None and oldest > since and journal.head()[0] > window:
        since = oldest
    return Rates(max(now - since, 0.001), journal.statistics.rates(since, window))


def counts_table(counts: Mapping[str, Mapping[Status, int]]) -> Table:
    """Return a table with a row for each queue, and a row of totals if there are several."""
    shown = table()
    shown.add_column("JOBS", no_wrap=True, max_width=20)
    for status in STATUSES:
        shown.add_column(status.upper(), justify="right", no_wrap=True)
    for name, by_status in counts.items():
        shown.add_row(_name(name), *(_count(status, by_status[status]) for status in STATUSES))
    if len(counts) > 1:
        totals = {s: sum(by_status[s] for by_status in counts.values()) for s in STATUSES}
        shown.add_row(Text("all", style="dim"), *(_count(s, n) for s, n in totals.items()))
    return shown


def rates_table(
    names: Sequence[str], rates: Rates, waits: Mapping[str, float | None], span: str
) -> Table:
    """Like `counts_table`, but with the rates over the time `span`."""
    shown = table()
    shown.add_column(f"LAST {span}", no_wrap=True, max_width=20)
    for title in (*_RATES, "WAIT"):
        shown.add_column(title, justify="right", no_wrap=True)
    for name in names:
        wait = waits[name]
        shown.add_row(
            _name(name),
            *(rate(rates.per_second(name, events)) for events in _RATES.values()),
            "" if wait is None else duration(wait),
        )
    return shown


def _name(queue: str) -> Text:
    return Text(one_line(queue), overflow="ellipsis", no_wrap=True)


def _count(status: Status, count: int) -> Text:
    return Text(f"{count:,}", style=STATUS_STYLES[status] if count else "dim")
