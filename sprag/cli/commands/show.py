"""`sprag show`."""

from __future__ import annotations

import time
from typing import Final

import click
from rich.table import Table
from rich.text import Text

from ...queue import Job, Pause, Transition
from ...queue.operators import attempts_of, move_shape, words_of_task
from .. import options
from ..idle import pause_words
from ..lookup import find
from ..owners import lost_among
from ..render import DIED, OVERDUE, cell, progress_bar, progress_words, status_text, table
from ..settings import Settings
from ..shapes import whole_shape
from ..text import age, duration, lines, moment, one_line, pretty, shortened, time_of_day

_LINES: Final = 60
_CHARS: Final = 6_000
_MOVES: Final = 40
_SOON: Final = 0.001


@click.command("show", short_help="Show one job: item, result, error and timeline.")
@click.argument("job", type=options.job)
@click.option("--full", is_flag=True, help="Show everything, with the traceback of each attempt.")
@options.shared()
@options.settings
def command(settings: Settings, job: str, full: bool) -> None:
    """Show a job and everything that happened to it.

    JSON: {"job": {"id", "queue", "task": null for handle_item, "label", "status",
    "item", "result", "error": {"type", "message", "traceback"}, "progress":
    {"current", "total", "percent", "message"}, "attempt", "max_attempts",
    "starts", "crashes", "priority", "unique": the unique key that it holds,
    "unique_for", "unique_until", "time_limit", "overdue": true if it goes on past
    its limit, "cancel_requested", "created_at", "due_at", "started_at",
    "finished_at", "lost": true if the job does not run although its status says
    so, because its process died, "unknown_task": true if it waits, and none of the
    processes that run its queue knows its task}, "history": [{"seq", "event",
    "from_status", "to_status", "attempt", "owner", "at", "due_at", "error"}, …]}.
    """
    with settings.opened() as file:
        found = find(file, job)
        history = file.history(found.id)
        lost = found.id in lost_among(file, [found])
        pause = file.pauses().get(found.queue) if found.status == "queued" else None
        unknown = found.status == "queued" and file.is_unknown(found.queue, found.task)
    if settings.as_json:
        settings.emit(
            {
                "job": {**whole_shape(found, lost=lost), "unknown_task": unknown},
                "history": [move_shape(move) for move in history],
            }
        )
        return
    now = time.time()
    _facts(settings, found, now, pause, lost=lost, unknown=unknown)
    _block(settings, "item", pretty(found.item_json), full)
    if found.result_json is not None:
        _block(settings, "result", pretty(found.result_json), full)
    if found.error is not None:
        text = found.error.traceback.rstrip() or f"{found.error.type}: {found.error.message}"
        _block(settings, "error", lines(text), full, "red")
    _timeline(settings, history, full)
    if full:
        _earlier_errors(settings, history)


def _facts(
    settings: Settings, job: Job, now: float, pause: Pause | None, *, lost: bool, unknown: bool
) -> None:
    facts = table()
    facts.show_header = False
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    facts.add_row("job", Text(job.id, style="bold"))
    facts.add_row("queue", Text(one_line(job.queue)))
    if pause is not None:
        facts.add_row("", Text(pause_words(pause, now), style="yellow"))
    if job.task:
        facts.add_row("task", Text(one_line(job.task)))
    if job.label:
        facts.add_row("label", Text(one_line(job.label)))
    facts.add_row("status", status_text(job.status, lost=lost))
    if lost:
        facts.add_row("", f"{DIED}; a worker that runs or starts takes the job over")
    if unknown:
        facts.add_row("", Text(one_line(f"{words_of_task(job.task)}; it waits for one that does")))
    _add_attempts(facts, job)
    if job.priority:
        facts.add_row("priority", str(job.priority))
    if job.unique is not None:
        facts.add_row("unique key", Text(f"{one_line(job.unique)}, held until {_held(job, now)}"))
    facts.add_row("enqueued", _time(job.created_at, now))
    if job.status == "queued" and job.due_at > job.created_at:
        facts.add_row("due", _time(job.due_at, now))
    if job.started_at is not None:
        facts.add_row("started", _time(job.started_at, now))
    if job.finished_at is not None:
        ran = f", ran {duration(job.finished_at - job.started_at)}" if job.started_at else ""
        facts.add_row("ended", _time(job.finished_at, now) + ran)
    if job.progress is not None:
        facts.add_row("progress", Text(one_line(progress_words(job.progress))))
        facts.add_row("", progress_bar(job.progress, 40))
    settings.show(facts)


def _add_attempts(facts: Table, job: Job) -> None:
    facts.add_row("attempt", "{} of {}".format(*attempts_of(job.attempt, job.max_attempts)))
    if job.starts > job.attempt:
        facts.add_row("starts", f"{job.starts} in all")
    if job.crashes:
        facts.add_row("crashes", f"{job.crashes} (its process died)")
    if job.time_limit is not None:
        facts.add_row("time limit", duration(job.time_limit))
    if job.overdue:
        facts.add_row("", f"{OVERDUE}; its handler does not give way")


def _held(job: Job, now: float) -> str:
    if job.unique_until is not None:
        return _time(job.unique_until, now)
    return "it starts" if job.unique_for == "queued" else "it has ended"


def _time(at: float, now: float) -> str:
    return f"{moment(at)}, {age(at, now)}"


def _block(settings: Settings, title: str, text: str, full: bool, style: str = "") -> None:
    shown = text
    if not full:
        cut = text.split("\n")
        shown = shortened("\n".join(cut[:_LINES]), _CHARS)
    settings.show(Text(""), Text(title, style="dim"), Text(shown, style=style))
    if len(shown) < len(text):
        settings.say(f"… {len(text) - len(shown):,} more characters; use --full to see them")


def _timeline(settings: Settings, history: list[Transition], full: bool) -> None:
    shown = table(expand=settings.for_eyes)
    for title in ("SEQ", "TIME", "AFTER", "EVENT", "STATUS", "ATTEMPT", "PROCESS"):
        shown.add_column(title, no_wrap=True, justify="right" if title == "AFTER" else "left")
    shown.add_column("MESSAGE", no_wrap=True, ratio=1)
    left_out = 0 if full else max(len(history) - _MOVES, 0)
    before: Transition | None = None
    for place, move in enumerate(history):
        if not 1 <= place <= left_out:
            shown.add_row(
                str(move.seq),
                time_of_day(move.at),
                f"+{duration(move.at - before.at)}" if before is not None else "",
                move.event,
                status_text(move.to_status),
                str(move.attempt),
                "" if move.owner is None else str(move.owner),
                _remark(move),
            )
        before = move
    title = f"timeline from {moment(history[0].at)}"
    settings.show(Text(""), Text(title, style="dim"), shown)
    if left_out:
        settings.say(f"… {left_out:,} moves after the first are left out; use --full to see them")


def _earlier_errors(settings: Settings, history: list[Transition]) -> None:
    for move in history[:-1]:
        if move.error is not None and move.error.traceback:
            title = f"error of attempt {move.attempt}, seq {move.seq}"
            _block(settings, title, lines(move.error.traceback.rstrip()), True, "red")


def _remark(move: Transition) -> Text:
    if move.error is not None:
        return cell(f"{move.error.type}: {move.error.message}", "red")
    if move.due_at is not None and move.due_at > move.at + _SOON:
        return Text(f"due {duration(move.due_at - move.at)} later")
    return Text("")
