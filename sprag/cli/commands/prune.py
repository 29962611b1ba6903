"""`sprag prune`."""

from __future__ import annotations

import time
from typing import Final

import click

from .. import options
from ..settings import Settings
from ..text import duration, one_line

_MANY: Final = 2**62


@click.command("prune", short_help="Delete finished jobs with their history.")
@options.queues
@click.option("--older-than", type=options.span, metavar="SPAN",
              help="Those that ended longer ago, as in 7d.")  # fmt: skip
@click.option("--keep", type=click.IntRange(0), metavar="N",
              help="All but the N newest of each queue.")  # fmt: skip
@options.yes
@options.shared()
@options.settings
def command(
    settings: Settings, queues: tuple[str, ...], older_than: float | None, keep: int | None,
    yes: bool,
) -> None:  # fmt: skip
    """Delete completed, failed and cancelled jobs, of all queues unless some are named.

    With both --older-than and --keep, a job goes that either of them lets go.
    The newest job and the one that moved last stay. The file does not shrink,
    its room is used again.

    JSON: {"deleted": n, "queues": {name: n, …}}.
    """
    if older_than is None and keep is None:
        raise click.UsageError("expected --older-than, --keep or both")
    limits = []
    if older_than is not None:
        limits.append(f"that ended more than {duration(older_than)} ago")
    if keep is not None:
        limits.append(f"beyond the {keep:,} newest of a queue")
    where = ", ".join(map(one_line, queues)) or "all queues"
    with settings.opened() as engine:
        settings.confirm(f"Delete finished jobs of {where} {' or '.join(limits)}?", yes=yes)
        kept = None if keep is None else min(keep, _MANY)
        before = None if older_than is None else time.time() - older_than
        deleted = {
            name: engine.journal.prune(name, before, kept)
            for name in queues or engine.journal.queues()
        }
    total = sum(deleted.values())
    if settings.as_json:
        settings.emit({"deleted": total, "queues": deleted})
    else:
        settings.write(f"deleted {total:,} {'job' if total == 1 else 'jobs'}\n")
