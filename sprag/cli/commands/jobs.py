"""`sprag list`."""

from __future__ import annotations

import shlex
import time
from typing import Final

import click
from rich.text import Text

from ...queue import STATUSES, Page
from ...queue.checks import cursor
from ...queue.states import Status
from .. import options
from ..render import SHORT_ID, attempts, name_of, says, status_text, table, took, when
from ..settings import Settings
from ..shapes import job_shape
from ..text import one_line

_WIDE: Final = 110
_LIMIT: Final = 20


@click.command("list", short_help="List jobs, newest first.")
@options.queues
@options.statuses()
@click.option("--limit", "-n", type=click.IntRange(1, 10_000), default=_LIMIT, show_default=True,
              help="At most so many.")  # fmt: skip
@click.option("--after", metavar="CURSOR", help="Go on where a page ended: the `next` of it.")
@options.shared()
@options.settings
def command(
    settings: Settings,
    queues: tuple[str, ...],
    statuses: tuple[Status, ...],
    limit: int,
    after: str | None,
) -> None:
    """List jobs, newest first.

    In a terminal an id is shown by its first 13 digits, which name the job.
    JSON: {"jobs": [job, …], "next": cursor or null}; `sprag show --help` has
    the fields of a job.
    """
    before = cursor(after)
    with settings.opened() as engine:
        page = engine.journal.page(queues, statuses or STATUSES, limit, before)
        known = [] if page.jobs else engine.journal.queues()
    if settings.as_json:
        settings.emit({"jobs": [job_shape(job) for job in page], "next": page.next})
        return
    if page.jobs:
        _show(settings, page, one_queue=len(queues) == 1)
    else:
        named = ", ".join(known) if known else "none"
        settings.say(f"no jobs; queues of this file: {named}")
    if page.next is not None:
        again = [f"--database={settings.database}"] if settings.database else []
        again += [f"--queue={name}" for name in queues]
        again += [f"--status={status}" for status in statuses]
        again += [f"--limit={limit}"] if limit != _LIMIT else []
        settings.say(f"more: sprag list {shlex.join([*again, f'--after={page.next}'])}")


def _show(settings: Settings, page: Page, *, one_queue: bool) -> None:
    now = time.time()
    wide = settings.out.width >= _WIDE
    shown = table(expand=settings.for_eyes)
    shown.add_column("JOB", no_wrap=True)
    shown.add_column("STATUS", no_wrap=True)
    if not one_queue:
        shown.add_column("QUEUE", no_wrap=True, max_width=20)
    shown.add_column("WHEN", no_wrap=True)
    if wide:
        shown.add_column("TOOK", no_wrap=True)
        shown.add_column("TRY", no_wrap=True)
    shown.add_column("WHAT", no_wrap=True, ratio=1)
    if wide:
        shown.add_column("SAYS", no_wrap=True, ratio=2)
    for job in page:
        queue = [] if one_queue else [Text(one_line(job.queue))]
        facts = [Text(took(job)), Text(attempts(job))] if wide else []
        # Where there is room for one only: what a job says of its failure or its progress.
        words = (
            [name_of(job), says(job)]
            if wide
            else [says(job) if _telling(job.status, says(job)) else name_of(job)]
        )
        shown.add_row(
            Text(job.id[:SHORT_ID] if settings.for_eyes else job.id),
            status_text(job.status),
            *queue,
            Text(when(job, now)),
            *facts,
            *words,
        )
    settings.show(shown)


def _telling(status: Status, words: Text) -> bool:
    return bool(words.plain) and status != "completed"
