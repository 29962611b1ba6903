"""`sprag schedules`: what queues enqueue by themselves, and when."""

from __future__ import annotations

import time
from collections.abc import Sequence

import click
from rich.text import Text

from ...queue import JobNotFound
from ...queue.operators import Plan, QueueFile, plan_shape
from .. import options
from ..exits import Refusal
from ..idle import pause_words
from ..render import cell, status_text, table
from ..settings import Settings
from ..text import age, one_line

_queue = click.option("--queue", "-q", metavar="QUEUE", help="The queue that has the schedule.")


@click.group("schedules", short_help="List, run, pause and resume schedules.",
             invoke_without_command=True)  # fmt: skip
@options.queues
@options.shared()
@options.settings
@click.pass_context
def command(context: click.Context, settings: Settings, queues: tuple[str, ...]) -> None:
    """List the schedules of all queues, or of those named: when each last enqueued a job, and when
    it does so next.

    A schedule is late if its slot has passed and no process has enqueued its
    job. If it was removed from its class, `sprag schedules remove` forgets it.

    JSON: {"schedules": [{"queue", "name", "definition": {"cron", "timezone"}
    or {"every": seconds}, "words", "item", "last", "last_job": the id of its
    job, "next", "late", "paused": {"reason", "since"} or null, "alive": true
    if a running process has it, "problem": why `next` is unknown}, …]}.
    """
    if context.invoked_subcommand is not None:
        if queues:
            raise click.UsageError("expected --queue after the subcommand")
        return
    with settings.opened() as file:
        plans = [plan for plan in file.schedules() if not queues or plan.queue in queues]
        states = {plan.last_job: _state(file, plan.last_job) for plan in plans if plan.last_job}
    if settings.as_json:
        settings.emit({"schedules": [plan_shape(plan) for plan in plans]})
    elif plans:
        _show(settings, plans, states)
    else:
        settings.say("no schedules")


@command.command("run")
@click.argument("name")
@_queue
@options.shared()
@options.settings
def run(settings: Settings, name: str, queue: str | None) -> None:
    """Enqueue a job of the schedule NAME now, besides those of its slots.

    Prints the job's id. JSON: {"id"}.
    """
    with settings.opened() as file:
        plan = _find(file, name, queue)
        id_ = file.run_schedule(plan.queue, plan.name)
    if id_ is None:
        raise _missing(name)
    if settings.as_json:
        settings.emit({"id": id_})
    else:
        settings.write(f"{id_}\n")


@command.command("pause")
@click.argument("name")
@click.option("--reason", metavar="TEXT", help="Why, for everyone who asks.")
@_queue
@options.shared()
@options.settings
def pause(settings: Settings, name: str, reason: str | None, queue: str | None) -> None:
    """Leave out the slots of the schedule NAME until `sprag schedules resume`.

    The pause is stored in the file. JSON: {"queue", "name", "paused": true}.
    """
    with settings.opened() as file:
        plan = _find(file, name, queue)
        if not file.pause_schedule(plan.queue, plan.name, reason):
            raise _missing(name)
    _tell(settings, plan, "is paused", paused=True)


@command.command("resume")
@click.argument("name")
@_queue
@options.shared()
@options.settings
def resume(settings: Settings, name: str, queue: str | None) -> None:
    """Go on with the schedule NAME from now. The slots of the pause are not made up for.

    JSON: {"queue", "name", "resumed": false if it was not paused}.
    """
    with settings.opened() as file:
        plan = _find(file, name, queue)
        resumed = file.resume_schedule(plan.queue, plan.name)
    _tell(settings, plan, "goes on" if resumed else "was not paused", resumed=resumed)


@command.command("remove")
@click.argument("name")
@_queue
@options.shared()
@options.settings
def remove(settings: Settings, name: str, queue: str | None) -> None:
    """Forget the schedule NAME, which no running process has.

    If a class still has it, it comes back at the next start, and counts from
    then. JSON: {"queue", "name", "removed": true}.
    """
    with settings.opened() as file:
        plan = _find(file, name, queue)
        if not file.remove_schedule(plan.queue, plan.name):
            raise Refusal(
                f"{one_line(plan.name)} was not removed: a running process has it",
                kind="schedule_in_use",
            )
    _tell(settings, plan, "is forgotten", removed=True)


def _find(file: QueueFile, name: str, queue: str | None) -> Plan:
    """The schedule that is meant. Raises Refusal."""
    found = [p for p in file.schedules() if p.name == name and queue in (None, p.queue)]
    if not found:
        raise _missing(name)
    if len(found) > 1:
        named = ", ".join(one_line(plan.queue) for plan in found)
        raise Refusal(
            f"several queues have a schedule {one_line(name)}: {named}; name one with --queue",
            kind="schedule_ambiguous",
        )
    return found[0]


def _missing(name: str) -> Refusal:
    return Refusal(
        f"no schedule {one_line(name)}; `sprag schedules` lists them", kind="schedule_not_found"
    )


def _tell(settings: Settings, plan: Plan, words: str, **facts: bool) -> None:
    if settings.as_json:
        settings.emit({"queue": plan.queue, "name": plan.name, **facts})
    else:
        settings.write(f"{one_line(plan.name)} {words}\n")


def _state(file: QueueFile, id_: str) -> Text:
    try:
        return status_text(file.job(id_).status)
    except JobNotFound:
        return Text("pruned", style="dim")


def _show(settings: Settings, plans: Sequence[Plan], states: dict[str, Text]) -> None:
    now = time.time()
    shown = table(expand=settings.for_eyes)
    for title, ratio, width in (("SCHEDULE", 2, 10), ("QUEUE", 1, 6), ("WHEN", 3, 10),
                                ("LAST", None, 7), ("JOB", None, 9), ("NEXT", 2, 8)):  # fmt: skip
        shown.add_column(title, no_wrap=True, ratio=ratio, min_width=width)
    for plan in plans:
        shown.add_row(
            cell(plan.name),
            cell(plan.queue, "dim"),
            cell("" if plan.words == plan.name else plan.words),
            Text("" if plan.last is None else age(plan.last, now)),
            states.get(plan.last_job or "", Text("")),
            _next(plan, now),
        )
    settings.show(shown)
    for problem in dict.fromkeys(plan.problem for plan in plans if plan.problem):
        settings.say(one_line(problem))


def _next(plan: Plan, now: float) -> Text:
    if plan.paused is not None:
        return cell(pause_words(plan.paused, now), "yellow")
    if plan.next is None:
        return cell("unknown" if plan.problem else "never", "dim")
    if plan.late:
        return cell(f"late: due {age(plan.next, now)}", "red")
    return Text(age(plan.next, now) if plan.next > now else "now")
