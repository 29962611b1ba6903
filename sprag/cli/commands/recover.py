"""`sprag recover`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from ...queue.engine import Engine
from ...queue.owners import forget
from ...queue.states import target
from .. import options
from ..exits import Refusal
from ..owners import Owner, owners_of
from ..settings import Settings
from ..text import lines, one_line


@click.command("recover", short_help="Take jobs back from processes that are gone.")
@click.option("--owner", type=click.IntRange(1), metavar="N",
              help="Of this owner, even if its lock file is missing.")  # fmt: skip
@click.option("--force", is_flag=True, help="Even if a process with its number runs here.")
@options.yes
@options.shared()
@options.settings
def command(settings: Settings, owner: int | None, force: bool, yes: bool) -> None:
    """Take the jobs back from processes that died: from all of them, or from --owner N.

    Workers do this by themselves; it is for when none runs, and for an owner
    whose lock file is missing. Then nobody can tell whether it lives: make sure
    that it does not, or its jobs run twice. An owner that is alive is refused.
    Jobs that were running are queued, or failed after too many crashes; those
    that were cancelling are cancelled. `sprag check` lists the owners.

    JSON: {"owners": [{"owner": n, "jobs": [{"id", "queue", "event",
    "status"}, …]}, …], "left": [owner as in `sprag check`, …]}.
    """
    with settings.opened() as engine:
        known = owners_of(engine)
        if owner is None:
            chosen = [one for one in known if one.state == "dead"]
        else:
            chosen = [_chosen(settings, owner, known, force=force, yes=yes)]
        recovered = [(one, _recover(engine, one)) for one in chosen]
        left = [one for one in known if one not in chosen]
    if settings.as_json:
        settings.emit(
            {
                "owners": [{"owner": one.id, "jobs": moved} for one, moved in recovered],
                "left": [one.shape() for one in left],
            }
        )
        return
    for one, moved in recovered:
        for job in moved:
            settings.write(lines(f"{job['id']} {job['queue']} {job['status']}") + "\n")
        settings.say(f"owner {one.id}: {len(moved)} {'job' if len(moved) == 1 else 'jobs'}")
    if not recovered:
        settings.say("no owner is dead")
    _tell_left(settings, left if owner is None else [])


def _chosen(
    settings: Settings, id_: int, known: Sequence[Owner], *, force: bool, yes: bool
) -> Owner:
    found = next((one for one in known if one.id == id_), None)
    if found is None:
        raise Refusal(f"no owner {id_}: it has left, or is recovered already", kind="no_owner")
    who = f"owner {id_}"
    if found.pid is not None:
        who += f" (process {found.pid} on {one_line(str(found.host))})"
    if found.state == "alive":
        raise Refusal(f"{who} is alive; its jobs are left alone", kind="owner_alive", owner=id_)
    if found.state == "dead":
        return found
    if found.pid_runs and not force:
        raise Refusal(
            f"the lock file of {who} is missing, and a process with that number runs here: look "
            "what it is, end it if it is the owner, or add --force if it is another one",
            kind="owner_may_live",
            owner=id_,
        )
    settings.confirm(
        f"Nobody can tell whether {who} is alive. Take its {found.jobs} running jobs from it?",
        yes=yes,
    )
    return found


def _recover(engine: Engine, owner: Owner) -> list[dict[str, Any]]:
    moved = engine.journal.recover(owner.id)
    if owner.token is not None:
        forget(engine.folder, owner.token)
    return [
        {
            "id": id_,
            "queue": queue,
            "event": event,
            "status": target("cancelling" if event == "confirm" else "running", event),
        }
        for id_, queue, event in moved
    ]


def _tell_left(settings: Settings, left: Sequence[Owner]) -> None:
    for one in left:
        if one.state != "alive":
            settings.say(f"owner {one.id} ({one.state}): {one.advice}")
