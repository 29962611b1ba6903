"""The live view of a file: counts, rates, running jobs with progress, and the latest results."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Sequence
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ..queue import Job, JobNotFound, Pause, Transition
from ..queue.operators import OWNED, TERMINAL, QueueFile, Sparing
from .idle import pause_words
from .numbers import Counts, Rates, count, counts_table, measure, rates_table
from .owners import Owner, lost_among, owners_of
from .render import (
    SHORT_ID,
    attempts,
    cell,
    name_of,
    progress_bar,
    progress_words,
    says,
    status_text,
    table,
    when,
)
from .text import brief, one_line, time_of_day

_RATE_SECONDS: Final = 60.0
_QUEUES: Final = 8
_LATEST: Final = 12
_LOOK_BACK: Final = 300
_WIDE: Final = 110
_SELDOM_SECONDS: Final = 0.5
_NO_TICK: Final = 1 << 62


class Board:
    """Reads and shows the state of a file. With `jobs`, these instead of all running jobs."""

    def __init__(self, file: QueueFile, queues: Sequence[str], jobs: Sequence[str]) -> None:
        self._file = file
        self._queues = queues
        self._ids = jobs
        self.jobs: list[Job] = []
        """The jobs of the view, as they were at the last `look`."""
        self._names: list[str] = []
        self._lost: frozenset[str] = frozenset()
        self._counts: dict[str, Counts] = {}
        self._waits: dict[str, float | None] = {}
        self._pauses: dict[str, Pause] = {}
        self._rates = Rates(1.0, {})
        self._latest: deque[tuple[Transition, Job | None]] = deque(maxlen=_LATEST)
        self._seq = max(file.head()[0] - _LOOK_BACK, 0)
        self._owners: list[Owner] = []
        self._counting = Sparing(self._count, least=_SELDOM_SECONDS)
        self._rating = Sparing(self._rate, least=_SELDOM_SECONDS)
        self._asking = Sparing(self._ask_owners, least=_SELDOM_SECONDS)

    def look(self, rows: int) -> None:
        """Read the current state, with at most `rows` running jobs. Expensive sums are read less
        often."""
        file = self._file
        if self._ids:
            self.jobs = [file.job(id_) for id_ in self._ids]
        else:
            self.jobs = list(file.page(self._queues, ("running", "cancelling"), rows))
        self._asking()
        self._lost = lost_among(self._file, self.jobs, self._owners)
        self._names = list(self._queues) or file.queues()
        now = time.time()
        ready = {name: file.next_ready(name) for name in self._names[:_QUEUES]}
        self._waits = {n: None if at is None else max(now - at, 0.0) for n, at in ready.items()}
        self._pauses = {n: pause for n, pause in file.pauses().items() if n in self._names}
        self._counting()
        self._rating()
        self._read_latest()

    def frame(self, width: int, height: int) -> RenderableType:
        """Return the view for a terminal of this size."""
        now = time.time()
        names = [name for name in self._names if name in self._counts][:_QUEUES]
        parts: list[RenderableType] = [self._heading(now)]
        if names:
            span = brief(self._rates.seconds)
            parts += [
                counts_table({name: self._counts[name] for name in names}),
                Text(""),
                rates_table(names, self._rates, self._waits, span),
            ]
        parts += [cell(f"{n}: {pause_words(p, now)}", "yellow") for n, p in self._pauses.items()]
        used = len(self._pauses) + 1 + (2 * len(names) + 3 + (len(names) > 1) if names else 0)
        left = height - used
        # The jobs get what they need, except for a third; each list has a blank line and a title.
        rows = max(left - len(self.jobs) - 4, left // 3 - 2, 0)
        latest = list(self._latest)[:rows]
        room = max(left - 2 - (len(latest) + 2 if latest else 0), 1)
        parts += [Text(""), self._running(width, room, now)]
        if latest:
            parts += [Text(""), _ended(latest, width)]
        return Group(*parts)

    def _heading(self, now: float) -> Text:
        more = len(self._names) - _QUEUES
        hidden = f", {more} more queues" if more > 0 else ""
        path = one_line(self._file.path)
        text = Text(f"{time_of_day(now)}  ", style="dim", no_wrap=True, overflow="ellipsis")
        text.append_text(self._workers())
        return text.append(f"  {path}{hidden}")

    def _workers(self) -> Text:
        """Return how many processes run jobs. If none does, no job will start."""
        states = Counter(owner.state for owner in self._owners)
        if set(states) <= {"alive"}:
            alive = states["alive"]
            what = f"{alive} {'process runs' if alive == 1 else 'processes run'} jobs"
            return Text(what if alive else "no process runs jobs", "" if alive else "yellow")
        named = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
        return Text(f"processes: {named}; see `sprag check`", "red")

    def _running(self, width: int, room: int, now: float) -> Table:
        under_way = sum(counts.under_way for counts in self._counts.values())
        lost = sum(counts.all_lost for counts in self._counts.values())
        shown = table(expand=True)
        title = f"RUNNING {under_way:,}" if under_way else "NO JOB RUNS"
        if lost:
            title += f", {lost:,} LOST"
        if self._ids:
            title = "JOBS"
        wide = width >= _WIDE
        shown.add_column(title, no_wrap=True, width=max(SHORT_ID, len(title)))
        if wide:
            shown.add_column("", no_wrap=True, max_width=20)
        shown.add_column("", no_wrap=True, ratio=2)
        shown.add_column("", no_wrap=True, width=24 if wide else 14)
        shown.add_column("", no_wrap=True, ratio=3)
        shown.add_column("", no_wrap=True, justify="right")
        fits = self.jobs if len(self.jobs) <= room else self.jobs[: room - 1]
        for job in fits:
            shown.add_row(
                Text(job.id[:SHORT_ID]),
                *([cell(job.queue, "dim")] if wide else []),
                name_of(job),
                self._standing(job),
                says(job, lost=True) if job.id in self._lost else _doing(job),
                Text("" if job.id in self._lost else _since(job, now), no_wrap=True),
            )
        if len(fits) < len(self.jobs):
            more = max(under_way + lost, len(self.jobs)) - len(fits)
            shown.add_row(Text(f"… {more:,} more", style="dim"))
        return shown

    def _standing(self, job: Job) -> RenderableType:
        if job.finished or job.id in self._lost:
            return status_text(job.status, lost=job.id in self._lost)
        return progress_bar(job.progress)

    def _count(self) -> None:
        self._counts = count(self._file, self._owners, self._names[:_QUEUES])

    def _ask_owners(self) -> None:
        self._owners = owners_of(self._file)

    def _rate(self) -> None:
        self._rates = measure(self._file, time.time(), _RATE_SECONDS)

    def _read_latest(self) -> None:
        file = self._file
        head, _tick = file.head()
        self._seq = max(self._seq, head - _LOOK_BACK)
        moves, _reports = file.news(self._seq, _NO_TICK, _LOOK_BACK)
        ended = [move for move in moves if self._tells(move)]
        self._seq = moves[-1].seq if moves else self._seq
        for move in ended[-_LATEST:]:
            try:
                self._latest.appendleft((move, file.job(move.job_id)))
            except JobNotFound:
                self._latest.appendleft((move, None))  # pruned meanwhile

    def _tells(self, move: Transition) -> bool:
        return (
            (move.to_status in TERMINAL or move.event in ("retry", "recover", "release"))
            and (not self._queues or move.queue in self._queues)
            and (not self._ids or move.job_id in self._ids)
        )


def _since(job: Job, now: float) -> str:
    if job.status in OWNED and job.started_at is not None:
        return brief(now - job.started_at)
    return when(job, now)


def _doing(job: Job) -> Text:
    if job.finished:
        return says(job)
    words = progress_words(job.progress) if job.progress is not None else ""
    if job.status == "cancelling":
        return cell(f"cancelling {words}", "magenta")
    if job.attempt > 1 or job.crashes:
        words = f"{words} (attempt {attempts(job)})"
    return cell(words)


def _ended(latest: Sequence[tuple[Transition, Job | None]], width: int) -> Table:
    wide = width >= _WIDE
    shown = table(expand=True)
    shown.add_column("LATEST", no_wrap=True, width=SHORT_ID)
    shown.add_column("", no_wrap=True)
    if wide:
        shown.add_column("", no_wrap=True, max_width=20)
    shown.add_column("", no_wrap=True)
    shown.add_column("", no_wrap=True, ratio=2)
    shown.add_column("", no_wrap=True, ratio=3)
    for move, job in latest:
        news = Text("")
        if move.error is not None:
            news = cell(f"{move.error.type}: {move.error.message}", "red")
        elif job is not None and job.status == move.to_status:
            news = says(job)
        status: Any = (
            status_text(move.to_status) if move.to_status in TERMINAL else Text(move.event)
        )
        shown.add_row(
            Text(move.job_id[:SHORT_ID]),
            Text(time_of_day(move.at), style="dim"),
            *([cell(move.queue, "dim")] if wide else []),
            status,
            name_of(job) if job is not None else Text("pruned", style="dim"),
            news,
        )
    return shown
