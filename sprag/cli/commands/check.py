"""`sprag check`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import click
from rich.text import Text

from ...queue import DatabaseCorrupt, DatabaseError, Pause
from ...queue.operators import Audit, Plan, Rule
from .. import options
from ..exits import FAILED, OK
from ..idle import late_remarks, pause_shapes, remarks
from ..owners import Owner, owners_of
from ..render import table
from ..settings import Settings
from ..text import age, lines, moment, one_line

_MOST: Final = 20
_STATE_STYLES: Final = {"alive": "green", "dead": "yellow", "unknown": "red", "gone": "red"}


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong. `kind` is the rule that does not hold."""

    kind: str
    message: str
    job_id: str | None = None
    seq: int | None = None


@click.command("check", short_help="Check the file, and show which processes run its jobs.")
@options.shared()
@options.settings
def command(settings: Settings) -> int:
    """Check that the file is intact and that every job agrees with its journal. Show which
    processes run jobs.

    The exit code is 1 if anything is wrong, and the output says what to do. A
    dead process is not a problem: workers recover its jobs. Nor are queues
    that are paused, jobs that wait in a queue that no process runs or for a
    task that none knows, or schedules that are late; the output names them. The
    command reads the whole file, while it is in use.

    JSON: {"ok": true or false, "problems": [{"kind", "message", "job_id",
    "seq"}, …], "owners": [{"id": the process's number, "state": "alive",
    "dead", "unknown" or "gone", "jobs": how many it runs, "pid", "host",
    "started_at", "reason": why its state is unknown, "advice"}, …],
    "unattended": {each queue with waiting jobs that no process runs: how many
    wait, up to 1,001}, "unknown_tasks": [{"queue", "task": null for handle_item,
    "jobs": how many are ready, up to 1,001, although none of the processes that
    run the queue knows the task}, …], "paused": {each queue that is paused:
    {"reason", "since"}}, "late": [{"queue", "name", "next": when it was due},
    …]}.
    """
    owners: list[Owner] = []
    idle: dict[str, int] = {}
    unknown: dict[str, dict[str | None, int]] = {}
    pauses: dict[str, Pause] = {}
    late: list[Plan] = []
    try:
        with settings.opened() as file:
            problems = list(_problems(file.audit))
            try:
                owners = owners_of(file)
                problems += _stranded(owners)
                idle, unknown, pauses = file.unattended(), file.unknown_tasks(), file.pauses()
                late = [plan for plan in file.schedules() if plan.late]
            except DatabaseError as error:
                problems.append(Problem("owners", f"cannot be read: {error.__cause__ or error}"))
    except DatabaseCorrupt as error:
        problems = [Problem("integrity", f"cannot be opened: {error.__cause__ or error}")]
    if settings.as_json:
        settings.emit(
            {
                "ok": not problems,
                "problems": [asdict(problem) for problem in problems],
                "owners": [owner.shape() for owner in owners],
                "unattended": idle,
                "unknown_tasks": [
                    {"queue": queue, "task": task, "jobs": count}
                    for queue, of_tasks in unknown.items()
                    for task, count in of_tasks.items()
                ],
                "paused": pause_shapes(pauses),
                "late": [{"queue": p.queue, "name": p.name, "next": p.next} for p in late],
            }
        )
    else:
        _show(settings, problems, owners)
        now = time.time()
        for remark in (*remarks(pauses, idle, unknown, now), *late_remarks(late, now)):
            settings.show(Text(remark))
    return FAILED if problems else OK


def _problems(audit: Audit) -> Iterator[Problem]:
    """Yield what is wrong with the file. If it is damaged, any question may fail."""
    for kind, ask in _QUESTIONS.items():
        try:
            yield from ask(audit)
        except DatabaseError as error:
            # SQLite's own words: our message would only say to run `sprag check`.
            yield Problem(kind, f"cannot be checked: {error.__cause__ or error}")


def _integrity(audit: Audit) -> Iterator[Problem]:
    for line in audit.integrity():
        yield Problem("integrity", line)


def _strays(audit: Audit) -> Iterator[Problem]:
    for id_, status, event, last_status, last_event in audit.strays(_MOST):
        last = f"{last_event} to {last_status}" if last_event else "missing"
        yield Problem(
            "strays",
            f"the job is {status} by {event}, but its newest transition is {last}",
            job_id=id_,
        )


def _broken_chains(audit: Audit) -> Iterator[Problem]:
    for seq, id_, source, previous in audit.broken_chains(_MOST):
        begins, was = source or "nothing", previous or "nothing"
        message = f"the transition begins at {begins}, but the job was at {was}"
        yield Problem("broken_chains", message, job_id=id_, seq=seq)


def _loose_links(audit: Audit) -> Iterator[Problem]:
    for seq, id_ in audit.loose_links(_MOST):
        message = "the transition is not linked to the job's other ones"
        yield Problem("loose_links", message, job_id=id_, seq=seq)


def _orphans(audit: Audit) -> Iterator[Problem]:
    for seq in audit.orphans(_MOST):
        yield Problem("orphans", "the transition belongs to no job", seq=seq)


def _misfolds(audit: Audit) -> Iterator[Problem]:
    for id_, seq in audit.misfolds(_MOST):
        message = "the job's counts, process or error do not agree with its transitions"
        yield Problem("misfolds", message, job_id=id_, seq=seq)


def _illegal_moves(audit: Audit) -> Iterator[Problem]:
    for event, source, target, seq in audit.illegal_moves():
        what = f"{event} from {source or 'nothing'} to {target}" if event else "what it says"
        message = f"{what} is not a valid move"
        yield Problem("illegal_moves", message, seq=seq)


def _changed_rules(audit: Audit) -> Iterator[Problem]:
    for found, expected in audit.changed_rules():
        message = f"the table of moves says {_rule(found)}, expected {_rule(expected)}"
        yield Problem("changed_rules", message)


def _rule(rule: Rule | None) -> str:
    if rule is None:
        return "nothing"
    counts = {
        "starts": rule.starts, "attempts": rule.attempts, "crashes": rule.crashes,
        "afresh": rule.afresh,
    }  # fmt: skip
    added = "".join(f", {name} {number:+}" for name, number in counts.items() if number)
    return f"{rule.event} from {rule.source or 'nothing'} to {rule.target}{added}"


def _misfits(audit: Audit) -> Iterator[Problem]:
    for seq, id_ in audit.misfits(_MOST):
        message = "the transition's attempt, process or error do not follow from earlier ones"
        yield Problem("misfits", message, job_id=id_, seq=seq)


def _progress(audit: Audit) -> Iterator[Problem]:
    for id_, key in audit.untimely_progress(_MOST):
        whose = "of the job" if id_ else f"of the key {key}, which belongs to no job,"
        yield Problem(
            "progress", f"the progress {whose} does not fit the order of the journal", job_id=id_
        )


def _gaps(audit: Audit) -> Iterator[Problem]:
    missing = audit.missing()
    if missing is None:
        yield Problem("gaps", "the row that counts what was pruned is missing")
    elif missing > 0:
        yield Problem("gaps", f"{missing:,} transitions are missing but were not pruned")
    elif missing < 0:
        yield Problem("gaps", f"{-missing:,} transitions too many are counted as pruned")


_QUESTIONS: Final[dict[str, Callable[[Audit], Iterator[Problem]]]] = {
    "integrity": _integrity,
    "strays": _strays,
    "broken_chains": _broken_chains,
    "loose_links": _loose_links,
    "illegal_moves": _illegal_moves,
    "changed_rules": _changed_rules,
    "misfits": _misfits,
    "misfolds": _misfolds,
    "progress": _progress,
    "orphans": _orphans,
    "gaps": _gaps,
}


def _stranded(owners: Sequence[Owner]) -> list[Problem]:
    return [
        Problem("owners", f"process {owner.id} is {owner.state}: {owner.advice}")
        for owner in owners
        if owner.state in ("unknown", "gone")
    ]


def _show(settings: Settings, problems: Sequence[Problem], owners: Sequence[Owner]) -> None:
    if problems:
        settings.show(
            Text(
                f"{len(problems)} {'problem' if len(problems) == 1 else 'problems'}",
                style="bold red",
            )
        )
    else:
        settings.show(Text("no problems: the file, its jobs and its journal agree", style="green"))
    for problem in problems:
        where: list[Any] = [problem.kind]
        where += [f"job {problem.job_id}"] if problem.job_id else []
        where += [f"seq {problem.seq}"] if problem.seq else []
        settings.show(Text(lines(f"- {', '.join(where)}: {problem.message}")))
    if any(problem.kind != "owners" for problem in problems):
        settings.show(
            Text(
                "Stop the workers, keep the file and its -wal as they are, and restore a backup. "
                "Without one, `sprag list` and `sprag backup` may still read what is left."
            )
        )
    if owners:
        settings.show(Text(""), _owners_table(owners))
    for owner in owners:
        if owner.state == "dead":
            settings.show(Text(f"process {owner.id} is dead: {owner.advice}"))


def _owners_table(owners: Sequence[Owner]) -> Any:
    now = time.time()
    shown = table()
    for title in ("PROCESS", "STATE", "JOBS", "PID", "HOST", "SINCE"):
        shown.add_column(title, no_wrap=True, justify="right" if title == "JOBS" else "left")
    for owner in owners:
        since = owner.started_at
        shown.add_row(
            str(owner.id),
            Text(owner.state, style=_STATE_STYLES[owner.state]),
            str(owner.jobs),
            "" if owner.pid is None else str(owner.pid),
            Text(one_line(owner.host or "")),
            "" if since is None else f"{moment(since)}, {age(since, now)}",
        )
    return shown
