"""Counts of jobs by state, their rates, and the tables that show them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from rich.table import Table
from rich.text import Text

from ..queue import STATUSES, Event, Status
from ..queue.operators import OWNED, Process, QueueFile, lost_of
from .render import LOST_STYLE, STATUS_STYLES, table
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


def measure(file: QueueFile, now: float, seconds: float, window: int = _WINDOW) -> Rates:
    """Return the moves of the last `seconds`, or of a shorter time if there were over `window`."""
    since = now - seconds
    oldest = file.statistics.window_start(window)
    if oldest is not None and oldest > since and file.head()[0] > window:
        since = oldest
    return Rates(max(now - since, 0.001), file.statistics.rates(since, window))


@dataclass(frozen=True, slots=True)
class Counts:
    """The jobs of a queue by status, and those of them that are lost: their process died."""

    by_status: Mapping[Status, int]
    lost: Mapping[Status, int]

    @property
    def all_lost(self) -> int:
        return sum(self.lost.values())

    @property
    def under_way(self) -> int:
        """How many jobs run."""
        return sum(self.runs(status) for status in OWNED)

    def runs(self, status: Status) -> int:
        """How many jobs have the status and are not lost."""
        return max(self.by_status[status] - self.lost.get(status, 0), 0)


def count(file: QueueFile, owners: Iterable[Process], names: Iterable[str]) -> dict[str, Counts]:
    """Return the counts of these queues; `owners` has the processes of the file."""
    gone = lost_of(owners)
    return {
        name: Counts(file.counts(name), file.statistics.lost(gone, name) if gone else {})
        for name in names
    }


def counts_table(counts: Mapping[str, Counts]) -> Table:
    """Return a table with a row for each queue, and a row of totals if there are several. Lost
    jobs have a column of their own if there are any."""
    shown = table()
    shown.add_column("JOBS", no_wrap=True, max_width=20)
    columns: dict[str, tuple[Callable[[Counts], int], str]] = {
        status: (partial(Counts.runs, status=status), STATUS_STYLES[status]) for status in STATUSES
    }
    if any(of.all_lost for of in counts.values()):
        columns["lost"] = (lambda of: of.all_lost, LOST_STYLE)
    for title in columns:
        shown.add_column(title.upper(), justify="right", no_wrap=True)
    for name, of in counts.items():
        shown.add_row(_name(name), *(_number(of_(of), style) for of_, style in columns.values()))
    if len(counts) > 1:
        totals = [(sum(map(of_, counts.values())), style) for of_, style in columns.values()]
        shown.add_row(Text("all", style="dim"), *(_number(n, style) for n, style in totals))
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


def _number(count: int, style: str) -> Text:
    return Text(f"{count:,}", style=style if count else "dim")
