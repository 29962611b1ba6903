"""`sprag prune`."""

from __future__ import annotations

import time
from typing import Final

import click

from .. import options
from ..settings import Settings
from ..text import duration, one_line

_MANY: Final = 2**62


@click.command("prune", short_help="Delete finished jobs and their history.")
@options.queues
@click.option("--older-than", type=options.span, metavar="DURATION",
              help="Delete jobs that ended longer ago than this, as in 7d.")  # fmt: skip
@click.option("--keep", type=click.IntRange(0), metavar="N",
              help="Delete all but the N newest of each queue.")  # fmt: skip
@options.yes
@options.shared()
@options.settings
def command(
    settings: Settings, queues: tuple[str, ...], older_than: float | None, keep: int | None,
    yes: bool,
) -> None:  # fmt: skip
    """Delete completed, failed and cancelled jobs, in all queues or those named.

    With both --older-than and --keep, a job is deleted if either applies. The
    newest job of the file and the job that moved last always stay. The file
    does not shrink; its space is used again.

    JSON: {"deleted": n, "queues": {name: n, …}}.
    """
    if older_than is None and keep is None:
        raise click.UsageError("expected --older-than, --keep or both")
    limits = []
    if older_than is not None:
        limits.append(f"that ended more than {duration(older_than)} ago")
    if keep is not None:
        limits.append(f"beyond the {keep:,} newest of each queue")
    where = ", ".join(map(one_line, queues)) or "all queues"
    with settings.opened() as file:
        settings.confirm(f"Delete finished jobs in {where} {' or '.join(limits)}?", yes=yes)
        kept = None if keep is None else min(keep, _MANY)
        before = None if older_than is None else time.time() - older_than
        deleted = {name: file.pruning.prune(name, before, kept) for name in queues or file.queues()}
    total = sum(deleted.values())
    if settings.as_json:
        settings.emit({"deleted": total, "queues": deleted})
    else:
        settings.write(f"deleted {total:,} {'job' if total == 1 else 'jobs'}\n")
