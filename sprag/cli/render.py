"""Jobs as a terminal shows them."""

from __future__ import annotations

from typing import Final

from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ..queue import Job, Progress, Status
from ..queue.operators import attempts_of, words_of_task
from .text import age, duration, number, one_line, shortened

STATUS_STYLES: Final[dict[Status, str]] = {
    "queued": "cyan",
    "running": "yellow",
    "cancelling": "magenta",
    "completed": "green",
    "failed": "bold red",
    "cancelled": "dim",
}
LOST_STYLE: Final = "red"

# An id's time part. It names a job as long as no other was made in the same microsecond.
SHORT_ID: Final = 13
DIED: Final = "its process died"
OVERDUE: Final = "over its time limit"
# Longer texts are cut before rich measures them, because measuring is slow.
_MOST: Final = 300


def table(*, expand: bool = False) -> Table:
    """Return an empty table in the common style."""
    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", expand=expand)


def status_text(status: Status, *, lost: bool = False) -> Text:
    """Return a status in its colour; "lost" in place of that of a job whose process died."""
    return Text("lost", LOST_STYLE) if lost else Text(status, style=STATUS_STYLES.get(status, ""))


def cell(text: str, style: str = "") -> Text:
    """Return text from a job as one line of a table, cut to the width of its column."""
    return Text(one_line(shortened(text, _MOST)), style=style, no_wrap=True, overflow="ellipsis")


def name_of(job: Job) -> Text:
    """Return the job's task, if it has one, and its label, or else its item."""
    name = cell(job.label) if job.label else cell(job.item_json, "dim")
    if job.task is None or job.task == job.label:  # the label of a scheduled task's jobs
        return name
    return cell(job.task).append(" ").append_text(name)


def says(job: Job, *, lost: bool = False, unknown: bool = False) -> Text:
    """Return the most useful fact about a job in its state. `unknown`: no process knows its
    task."""
    if unknown:
        return cell(words_of_task(job.task), "yellow")
    if lost:
        return cell(DIED, LOST_STYLE)
    if job.error is not None:
        style = "red" if job.status == "failed" else "dim red"
        return cell(f"{job.error.type}: {job.error.message}", style)
    if job.status == "completed":
        return cell("" if job.result_json in (None, "null") else f"→ {job.result_json}", "dim")
    said = [OVERDUE] if job.overdue else []
    if job.progress is not None and not job.finished:
        said.append(progress_words(job.progress))
    return cell(": ".join(said), "yellow" if job.overdue else "")


def when(job: Job, now: float, *, lost: bool = False) -> str:
    """Return since when the job is in its state, or when it is due."""
    if lost and job.started_at is not None:
        return f"started {age(job.started_at, now)}"
    if job.finished_at is not None:
        return age(job.finished_at, now)
    if job.status == "queued":
        return (
            f"due {age(job.due_at, now)}"
            if job.due_at > now
            else f"waits {duration(now - job.due_at)}"
        )
    return f"runs {duration(now - (job.started_at or now))}"


def took(job: Job) -> str:
    """Return how long its last run took, or an empty string."""
    if job.started_at is None or job.finished_at is None:
        return ""
    return duration(job.finished_at - job.started_at)


def attempts(job: Job) -> str:
    """Return the attempts as in 1/3, with crashes as in 1/3 †2."""
    attempt, most = attempts_of(job.attempt, job.max_attempts)
    deaths = f" †{job.crashes}" if job.crashes else ""
    return f"{attempt}/{most}{deaths}"


def progress_words(progress: Progress) -> str:
    """Return progress as in "45% 9/20 Resizing"."""
    words = []
    if isinstance(progress.percent, int | float):
        words.append(f"{progress.percent:.0f}%")
    if progress.current is not None:
        total = f"/{number(progress.total)}" if progress.total is not None else ""
        words.append(f"{number(progress.current)}{total}")
    if progress.message:
        words.append(str(progress.message))
    return " ".join(words)


def progress_bar(progress: Progress | None, width: int | None = None) -> ProgressBar | Text:
    """Return a bar if the job has reported a percentage."""
    if progress is None or not isinstance(progress.percent, int | float):
        return Text("")
    return ProgressBar(total=100, completed=progress.percent, width=width)
