"""What the demo shows while it works: bars in a terminal, lines anywhere else."""

from __future__ import annotations

import os
import sys
import time
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column
from rich.text import Text


class Screen(Protocol):
    """Shows jobs by their ids, from any thread, while it is entered as a context manager."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def say(self, text: str) -> None:
        """A line that stays."""

    def begin(self, job_id: str, name: str) -> None:
        """A job starts."""

    def progress(self, job_id: str, percent: float, message: str) -> None:
        """A job is that far."""

    def leave(self, job_id: str) -> None:
        """A job does not run any more, for now or for ever."""

    def done(self, count: int, text: str, *, failed: bool = False) -> None:
        """`count` jobs have come to their end; `text` says what became of the latest."""


def screen(title: str, total: int, done: int, *, plain: bool) -> Screen:
    """The screen for `total` jobs, of which `done` are done before it begins."""
    terminal = sys.stdout is not None and sys.stdout.isatty()
    if plain or not terminal or os.environ.get("TERM") in ("dumb", "unknown"):
        return Lines(total)
    return Bars(title, total, done)


class Lines:
    """One line for each job that ends."""

    def __init__(self, total: int) -> None:
        self._total = total

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    def say(self, text: str) -> None:
        print(text, flush=True)

    def begin(self, job_id: str, name: str) -> None:
        pass

    def progress(self, job_id: str, percent: float, message: str) -> None:
        pass

    def leave(self, job_id: str) -> None:
        pass

    def done(self, count: int, text: str, *, failed: bool = False) -> None:  # noqa: ARG002 - text says it
        self.say(f"[{count:{len(str(self._total))}}/{self._total}] {text}")


# Together less than the 80 columns of a terminal: in a full line, the ^C that it shows when it is
# interrupted goes to the next line, and the bars are not drawn where they were any more.
_NAME, _BAR, _NOTE = 26, 24, 14


class Bars:
    """A bar for all jobs, and one for each that runs."""

    def __init__(self, title: str, total: int, done: int) -> None:
        console = Console(file=sys.stdout, highlight=False)
        self._bars = Progress(
            TextColumn(
                "{task.description}",
                markup=False,
                table_column=Column(width=_NAME, no_wrap=True, overflow="ellipsis"),
            ),
            BarColumn(bar_width=_BAR),
            TextColumn("{task.fields[share]}", markup=False, justify="right"),
            TextColumn(
                "{task.fields[note]}",
                markup=False,
                table_column=Column(width=_NOTE, no_wrap=True, overflow="ellipsis"),
            ),
            console=console,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._before = done
        self._total = total
        self._started = time.monotonic()
        self._all = self._bars.add_task(
            title, total=total, completed=done, share=f"{done}/{total}", note=""
        )
        self._rows: dict[str, TaskID] = {}
        self._free: list[TaskID] = []

    def __enter__(self) -> Self:
        self._started = time.monotonic()
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def say(self, text: str) -> None:
        # As Text, so that brackets in a file's name are no markup.
        self._bars.console.print(Text(text))

    def begin(self, job_id: str, name: str) -> None:
        # The row of a job that ended stays full until the next one needs it: nothing jumps.
        if self._free:
            row = self._free.pop(0)
            self._bars.reset(row, description=name, total=100, share="0 %", note="")
        else:
            row = self._bars.add_task(name, total=100, share="0 %", note="")
        self._rows[job_id] = row

    def progress(self, job_id: str, percent: float, message: str) -> None:
        row = self._rows.get(job_id)
        if row is not None:
            self._bars.update(row, completed=percent, share=f"{percent:.0f} %", note=message)

    def leave(self, job_id: str) -> None:
        row = self._rows.pop(job_id, None)
        if row is not None:
            self._free.append(row)

    def done(self, count: int, text: str, *, failed: bool = False) -> None:
        if failed:
            self.say(text)
        rate = (count - self._before) / max(time.monotonic() - self._started, 0.001)
        self._bars.update(
            self._all,
            completed=count,
            share=f"{count}/{self._total}",
            note=f"{rate:.1f} images/s",
        )
