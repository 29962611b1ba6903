"""`sprag recover`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from ...queue.operators import QueueFile, target
from .. import options
from ..exits import Refusal
from ..owners import Owner, owners_of
from ..settings import Settings
from ..text import lines, one_line


@click.command("recover", short_help="Take jobs back from processes that are gone.")
@click.option("--owner", type=click.IntRange(1), metavar="N",
              help="Only this process, even if sprag cannot tell whether it is alive.")  # fmt: skip
@click.option("--force", is_flag=True, help="Even if a process with its pid runs on this machine.")
@options.yes
@options.shared()
@options.settings
def command(settings: Settings, owner: int | None, force: bool, yes: bool) -> None:
    """Return the jobs of dead processes to their queues: of all, or of the process --owner N.

    Workers do this by themselves. Use this command if none runs, or if sprag
    cannot tell whether a process is alive, because its lock file is missing or
    this user may not read it. Make sure that it is not, or its jobs run twice.
    A process that is alive is refused. `sprag check` lists the processes, their
    numbers, and what cannot be told of them.

    Running jobs are queued again, or fail after too many crashes. Cancelling
    jobs are cancelled.

    JSON: {"owners": [{"owner": n, "jobs": [{"id", "queue", "event",
    "status"}, …]}, …], "left": [process as in `sprag check`, …]}.
    """
    with settings.opened() as file:
        known = owners_of(file)
        if owner is None:
            chosen = [one for one in known if one.state == "dead"]
        else:
            chosen = [_chosen(settings, owner, known, force=force, yes=yes)]
        recovered = [(one, _recover(file, one)) for one in chosen]
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
        settings.say(f"process {one.id}: {len(moved)} {'job' if len(moved) == 1 else 'jobs'}")
    if not recovered:
        settings.say("no process is dead")
    _tell_left(settings, left if owner is None else [])


def _chosen(
    settings: Settings, id_: int, known: Sequence[Owner], *, force: bool, yes: bool
) -> Owner:
    found = next((one for one in known if one.id == id_), None)
    if found is None:
        raise Refusal(
            f"there is no process {id_}: it has stopped, or was already recovered", kind="no_owner"
        )
    who = f"process {id_}"
    if found.pid is not None:
        who += f" (pid {found.pid} on {one_line(str(found.host))})"
    if found.state == "alive":
        raise Refusal(f"{who} is alive, so its jobs are left alone", kind="owner_alive", owner=id_)
    if found.state == "dead":
        return found
    if found.pid_runs and not force:
        raise Refusal(
            f"sprag cannot tell whether {who} is alive ({found.reason}), and a process with that "
            "pid runs here: check what it is, end it if it is this worker, or add --force if it is "
            "another program",
            kind="owner_may_live",
            owner=id_,
        )
    settings.confirm(
        f"sprag cannot tell whether {who} is alive"
        + (f" ({found.reason})" if found.reason else "")
        + f". Recover its {found.jobs} running jobs?",
        yes=yes,
    )
    return found


def _recover(file: QueueFile, owner: Owner) -> list[dict[str, Any]]:
    moved = file.recover(owner)
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
            settings.say(f"process {one.id} ({one.state}): {one.advice}")
