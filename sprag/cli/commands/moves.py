"""`sprag cancel`, `requeue` and `run-now`: move named jobs, or all that match."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import click

from ...queue import IllegalMove, QueueError, Status
from ...queue.operators import WAITING, QueueFile, Wanted, cursor, sources
from .. import options
from ..exits import FAILED, OK, Refusal, refusal_of
from ..lookup import find
from ..settings import Settings
from ..text import lines, one_line

Moved = tuple[str, Status]

_BATCH: Final = 200


@click.command("cancel", short_help="Cancel jobs.")
@click.argument("jobs", nargs=-1, type=options.job, metavar="[JOB]...")
@options.queues
@options.statuses("queued", "running", default="queued")
@options.yes
@options.shared()
@options.settings
def cancel(
    settings: Settings, jobs: Sequence[str], queues: Sequence[str], statuses: Sequence[Status],
    yes: bool,
) -> int:  # fmt: skip
    """Cancel these JOBs, or all that match --queue and --status.

    A queued job is cancelled at once. A running job is asked to stop. It is
    "cancelling" until its handler calls check_cancelled(); if the handler never
    does, the job completes.

    JSON: {"jobs": [{"id", "status"}, …], "errors": [{"kind", "message",
    "job_id"}, …]}, with the current state of each job. The exit code is 1 if
    there is an error.
    """
    if jobs:
        return _move_named(settings, _CANCEL, jobs, queues, statuses)
    return _move_all(settings, _CANCEL, queues, statuses, yes=yes)


@click.command("requeue", short_help="Run failed or cancelled jobs again.")
@click.argument("jobs", nargs=-1, type=options.job, metavar="[JOB]...")
@options.queues
@options.statuses("failed", "cancelled", default="failed")
@options.yes
@options.shared()
@options.settings
def requeue(
    settings: Settings, jobs: Sequence[str], queues: Sequence[str], statuses: Sequence[Status],
    yes: bool,
) -> int:  # fmt: skip
    """Run these JOBs again, or all that match --queue and --status.

    They start with new attempts and keep their history.

    JSON and exit codes are those of `sprag cancel`.
    """
    if jobs:
        return _move_named(settings, _REQUEUE, jobs, queues, statuses)
    return _move_all(settings, _REQUEUE, queues, statuses, yes=yes)


@click.command("run-now", short_help="Start scheduled and retrying jobs before they are due.")
@click.argument("jobs", nargs=-1, type=options.job, metavar="[JOB]...")
@options.queues
@options.yes
@options.shared()
@options.settings
def run_now(settings: Settings, jobs: Sequence[str], queues: Sequence[str], yes: bool) -> int:
    """Start these JOBs now, or with --queue all its jobs that wait until they are due.

    A scheduled job, or one that waits for its next attempt, starts as soon as a
    worker is free. A job that is ready stays as it is.

    JSON and exit codes are those of `sprag cancel`.
    """
    if jobs:
        return _move_named(settings, _RUN_NOW, jobs, queues, ())
    if not queues:
        raise click.UsageError("expected JOBs or --queue")
    where = ", ".join(map(one_line, queues))
    with settings.opened() as file:
        if next(_waiting(file, queues), None):
            settings.confirm(f"Start all waiting jobs in {where} now?", yes=yes)
        moved = [done for batch in _waiting(file, queues) for done in _RUN_NOW.many(file, batch)]
    if settings.as_json:
        settings.emit(_shape(moved, []))
    else:
        told = f"{len(moved):,} {'job starts' if len(moved) == 1 else 'jobs start'} now"
        settings.write(lines(told if moved else f"no waiting jobs in {where}") + "\n")
    return OK


def _waiting(file: QueueFile, queues: Sequence[str]) -> Iterator[list[str]]:
    """The ids of the jobs of these queues that wait, newest first: each once."""
    wanted = Wanted(file.now(), queues, WAITING)
    place: str | None = ""
    while place is not None:
        found = file.search.find(wanted, _BATCH, cursor(place or None))
        if found.jobs:
            yield [job.id for job in found.jobs]
        place = found.next


def _run_now(file: QueueFile, id_: str) -> Moved:
    file.run_now(id_)
    return id_, "queued"


def _cancel(file: QueueFile, id_: str) -> Moved:
    status = file.cancel(id_).status
    if status in ("completed", "failed"):
        raise IllegalMove(id_, status, "cancel", sources("cancel"))
    return id_, status


def _requeue(file: QueueFile, id_: str) -> Moved:
    return id_, file.requeue(id_).status


@dataclass(frozen=True, slots=True)
class _Move:
    verb: str
    by_default: Status
    one: Callable[[QueueFile, str], Moved]
    many: Callable[[QueueFile, Sequence[str]], list[Moved]]


_CANCEL: Final = _Move("cancel", "queued", _cancel, lambda file, ids: file.cancel_many(ids))
_REQUEUE: Final = _Move(
    "requeue",
    "failed",
    _requeue,
    lambda file, ids: [(id_, "queued") for id_ in file.requeue_many(ids)],
)


_RUN_NOW: Final = _Move(
    "run now",
    "queued",
    _run_now,
    lambda file, ids: [(id_, "queued") for id_ in file.run_now_many(ids)],
)


def _move_named(
    settings: Settings,
    move: _Move,
    references: Sequence[str],
    queues: Sequence[str],
    statuses: Sequence[Status],
) -> int:
    if queues or statuses:
        raise click.UsageError("expected JOBs, or --queue and --status, but not both")
    moved: list[Moved] = []
    refused: list[dict[str, Any]] = []
    with settings.opened() as file:
        for reference in references:
            try:
                moved.append(move.one(file, find(file, reference).id))
            except (QueueError, Refusal) as error:
                refusal = error if isinstance(error, Refusal) else refusal_of(error)
                if refusal.code != FAILED:
                    raise
                settings.say(f"sprag: {refusal}")
                refused.append({"kind": refusal.kind, "message": str(refusal), "job_id": reference})
    if settings.as_json:
        settings.emit(_shape(moved, refused))
    for id_, status in [] if settings.as_json else moved:
        settings.write(f"{id_} {status}\n")
    return FAILED if refused else OK


def _move_all(
    settings: Settings, move: _Move, queues: Sequence[str], statuses: Sequence[Status], *, yes: bool
) -> int:
    if not (queues or statuses):
        raise click.UsageError("expected JOBs, --queue or --status")
    chosen = statuses or (move.by_default,)
    with settings.opened() as file:
        names = queues or file.queues()
        by_name = {name: file.counts(name) for name in names}
        count = sum(counts[status] for counts in by_name.values() for status in chosen)
        where = ", ".join(map(one_line, queues)) or "all queues"
        if count:
            question = f"{move.verb.capitalize()} {count:,} {' and '.join(chosen)} jobs in {where}?"
            settings.confirm(question, yes=yes)
        moved = [done for batch in _batches(file, names, chosen) for done in move.many(file, batch)]
    if settings.as_json:
        settings.emit(_shape(moved, []))
    else:
        by_status = {status: sum(1 for _, now in moved if now == status) for _, status in moved}
        told = ", ".join(f"{number:,} {status}" for status, number in by_status.items())
        settings.write(lines(told or f"no {' or '.join(chosen)} jobs in {where}") + "\n")
    return OK


def _batches(
    file: QueueFile, queues: Sequence[str], statuses: Sequence[Status]
) -> Iterator[list[str]]:
    """Yield the ids of all that match now, newest first, each once."""
    before: str | None = None
    while queues:
        page = file.page(queues, statuses, _BATCH, cursor(before))
        yield [job.id for job in page]
        before = page.next
        if before is None:
            return


def _shape(moved: Sequence[Moved], refused: list[dict[str, Any]]) -> dict[str, Any]:
    jobs = [{"id": id_, "status": status} for id_, status in moved]
    return {"jobs": jobs, "errors": refused}
