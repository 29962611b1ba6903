"""`sprag list`."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from textwrap import fill
from typing import Final

import click
from rich.text import Text

from ...queue import STATUSES, Job, Page, Status
from ...queue.operators import cursor
from .. import options
from ..idle import remarks
from ..owners import lost_among
from ..render import SHORT_ID, attempts, cell, name_of, says, status_text, table, took, when
from ..settings import Settings
from ..shapes import whole_shape

_WIDE: Final = 110
_NARROW: Final = 60
_LIMIT: Final = 20


@click.command("list", short_help="List jobs, newest first.")
@options.queues
@options.statuses()
@options.tasks
@click.option("--limit", "-n", type=click.IntRange(1, 10_000), default=_LIMIT, show_default=True,
              help="The most to list.")  # fmt: skip
@click.option("--after", metavar="CURSOR", help="Continue after a page: its `next`.")
@options.shared()
@options.settings
def command(
    settings: Settings,
    queues: tuple[str, ...],
    statuses: tuple[Status, ...],
    tasks: tuple[str, ...],
    limit: int,
    after: str | None,
) -> None:
    """List jobs, newest first.

    A terminal shows the first 13 digits of an id, which are enough to name the
    job. A running job whose process died is shown as lost, until a worker that
    runs or starts takes it over; --status running includes it.

    JSON: {"jobs": [job, …], "next": cursor or null}; `sprag show --help` has
    the fields of a job.
    """
    before = cursor(after)
    with settings.opened() as file:
        page = file.page(queues, statuses or STATUSES, limit, before, tasks)
        known = [] if page.jobs else file.queues()
        lost = lost_among(file, page)
        waiting = {job.queue for job in page if job.status == "queued"}
        idle = file.unattended(waiting) if waiting else {}
        pauses = {queue: pause for queue, pause in file.pauses().items() if queue in waiting}
        unknown = file.unknown_tasks(waiting) if waiting else {}
    if settings.as_json:
        settings.emit(
            {"jobs": [whole_shape(job, lost=job.id in lost) for job in page], "next": page.next}
        )
        return
    if page.jobs:
        _show(settings, page, lost, unknown, one_queue=len(queues) == 1)
    else:
        named = ", ".join(known) if known else "none"
        settings.say(f"no jobs; queues in this file: {named}")
    if page.next is not None:
        again = [f"--database={settings.database}"] if settings.database else []
        again += [f"--queue={name}" for name in queues]
        again += [f"--status={status}" for status in statuses]
        again += [f"--task={task}" for task in tasks]
        again += [f"--limit={limit}"] if limit != _LIMIT else []
        settings.say(f"more: sprag list {shlex.join([*again, f'--after={page.next}'])}")
    for told in remarks(pauses, idle, unknown, time.time()):
        settings.say(fill(told, settings.out.width) if settings.for_eyes else told)


@dataclass(frozen=True, slots=True)
class _Column:
    title: str
    cell: Callable[[Job], Text]
    ratio: int | None = None
    """Its share of the space that the other columns leave."""


def _show(
    settings: Settings,
    page: Page,
    lost: frozenset[str],
    unknown: Mapping[str, Mapping[str | None, int]],
    *,
    one_queue: bool,
) -> None:
    def news(job: Job) -> Text:
        left = job.status == "queued" and job.task in unknown.get(job.queue, ())
        return says(job, lost=job.id in lost, unknown=left)

    now = time.time()
    width = settings.out.width
    columns = [_Column("JOB", _short_id if settings.for_eyes else _id)]
    columns.append(_Column("STATUS", lambda job: status_text(job.status, lost=job.id in lost)))
    if not one_queue and width >= _NARROW:
        columns.append(_Column("QUEUE", lambda job: cell(job.queue)))
    if width >= _NARROW:
        columns.append(_Column("WHEN", lambda job: Text(when(job, now, lost=job.id in lost))))
    if width >= _WIDE:
        columns.append(_Column("TOOK", lambda job: Text(took(job))))
        columns.append(_Column("ATTEMPT", lambda job: Text(attempts(job))))
        columns.append(_Column("WHAT", name_of, 1))
        columns.append(_Column("MESSAGE", news, 2))
    else:
        columns.append(_Column("WHAT", lambda job: _name_or_news(job, news(job)), 1))
    shown = table(expand=settings.for_eyes)
    for column in columns:
        shown.add_column(column.title, no_wrap=True, ratio=column.ratio)
    for job in page:
        shown.add_row(*(column.cell(job) for column in columns))
    settings.show(shown)


def _id(job: Job) -> Text:
    return Text(job.id)


def _short_id(job: Job) -> Text:
    return Text(job.id[:SHORT_ID])


def _name_or_news(job: Job, news: Text) -> Text:
    """If there is space for only one: the error or the progress, or else the name."""
    return news if news.plain and job.status != "completed" else name_of(job)
