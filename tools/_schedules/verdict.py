"""What must hold when a run is over, beyond the rules of the oracle."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import _oracle as oracle

from .stage import Handled, Scene


class Verdict:
    """What is wrong, one sentence each."""

    def early(self, scene: Scene) -> list[str]:
        parked = _parked(scene)
        return [
            f"{actor.name} sleeps, and only a keeper would wake it"
            for actor in scene.run.actors.values()
            if not (actor.ended or actor.dead or actor.name in parked) and actor.label == "sleep"
        ]

    def late(self, scene: Scene, file: oracle.File) -> list[str]:
        return [
            *_accepted(scene, file),
            *_ends(scene, file),
            *_handlers(scene, file),
            *_words(scene, file),
            *_unique(scene, file),
            *_failures(scene, file),
            *_left(scene, file),
            *_slots(scene, file),
        ]


def _accepted(scene: Scene, file: oracle.File) -> Iterator[str]:
    for id_ in scene.accepted:
        if id_ not in file.jobs:
            yield f"job {short(id_)} was acknowledged and is gone"


def _slots(scene: Scene, file: oracle.File) -> Iterator[str]:
    made = len(file.jobs.keys() - set(scene.accepted))
    if made != scene.slots:
        yield f"{scene.slots} slots of schedules have come, and {made} jobs were enqueued for them"


def _ends(scene: Scene, file: oracle.File) -> Iterator[str]:
    idle = [
        pool
        for pool in scene.pools
        if not pool._engine.database.closed
        for ticket in pool._tickets
        if ticket.parked and not ticket.stopping
    ]
    for job in file.jobs.values():
        if job.status == "queued" and idle:
            yield f"job {short(job.id)} is queued, and a worker has nothing to do"
        if job.status == "completed" and job.result != str(job.starts):
            yield f"job {short(job.id)} has the result of start {job.result} of {job.starts}"
        if job.status in oracle.HELD and not any(
            handled.job.id == job.id and _lives(handled) for handled in scene.handled
        ):
            yield f"job {short(job.id)} is {job.status}, and nobody runs it"
        for move in job.moves:
            if move.event in ("recover", "lose") and move.owner not in scene.lost:
                yield f"job {short(job.id)} was taken from owner {move.owner}, which lives"


def _lives(handled: Handled) -> bool:
    by = handled.by
    return not handled.ended and by is not None and not (by.ended or by.dead)


def _handlers(scene: Scene, file: oracle.File) -> Iterator[str]:
    late = {(note[1].id, note[1].starts) for note in scene.run.notes if note[0] == "late"}
    for handled in scene.handled:
        job, starts = handled.job, handled.job.run.starts
        runs = _runs(file.jobs[job.id])
        if not handled.started:
            yield f"the handler of job {short(job.id)} began before its start was committed"
        for other in handled.beside:
            # The older of the two is stale, whichever began first.
            older = runs[min(other, starts) - 1 :][:1]
            how = older[0][-1].event if older else "nothing"
            if how not in ("recover", "release"):
                yield f"job {short(job.id)} was run twice at once, after {how}"
        if (job.id, starts) in late:
            yield f"job {short(job.id)} began with a worker that had been dismissed before"


def _runs(job: oracle.JobRow) -> list[list[oracle.Move]]:
    """The moves of each run, its start first."""
    runs: list[list[oracle.Move]] = []
    for move in job.moves:
        if move.event == "start":
            runs.append([])
        if runs:
            runs[-1].append(move)
    return runs


def _words(scene: Scene, file: oracle.File) -> Iterator[str]:
    """What was answered, and what the journal says of it."""
    asked: dict[str, list[Any]] = {}
    for kind, *told in scene.run.notes:
        if kind == "cancel":
            asked.setdefault(told[0], []).append(told[1])
        elif kind == "outcome":
            yield from _outcome(file, *told)
        elif kind == "started while paused":
            yield "a job was started while its queue was paused"
        elif kind == "told too early":
            yield "subscribers were woken before the COMMIT"
    for id_, answers in asked.items():
        job = file.jobs[id_]
        said = sorted(answer[2] for answer in answers if answer is not None)
        done = sorted(move.target for move in job.moves if move.event == "cancel")
        if said != done:
            yield f"job {short(id_)}: cancel answered {said}, the journal has {done}"
        if None in answers and job.status in ("queued", "running"):
            yield f"job {short(id_)} is {job.status}, but could not be cancelled"


def _unique(scene: Scene, file: oracle.File) -> Iterator[str]:
    """All of these asked for the same key, which is held until its job has ended."""
    made: list[oracle.JobRow] = []
    for _, id_, job in (note for note in scene.run.notes if note[0] == "unique"):
        if job.existing and (job.finished or job.unique is None):
            yield f"job {short(job.id)} was found for a key that it did not hold"
        elif not job.existing and job.id != id_:
            yield f"job {short(job.id)} was made in place of {short(id_)}"
        made += [] if job.existing else [file.jobs[id_]]
    made.sort(key=lambda job: job.key)
    for before, after in itertools.pairwise(made):
        ends = [move.seq for move in before.moves if move.target in oracle.ENDS]
        if not ends or ends[0] > after.moves[0].seq:
            yield f"job {short(after.id)} was made while {short(before.id)} held the key"


def _failures(scene: Scene, file: oracle.File) -> Iterator[str]:
    """In these races nobody dies, so each failure is told, and once."""
    if not any(pool._failures for pool in scene.pools):
        return
    told = [words for kind, *words in scene.run.notes if kind == "failure"]
    for job in file.jobs.values():
        failed = [move for move in job.moves if move.event == "fail"]
        count = told.count([job.id, "failed"])
        if count != len(failed):
            yield f"job {short(job.id)} failed {len(failed)} times, and {count} were told"


def _outcome(file: oracle.File, outcome: Any, refused: bool) -> Iterator[str]:
    run = outcome.run
    ends = _runs(file.jobs[run.id])[run.starts - 1 :][:1]
    moves = [m.event for moves in ends for m in moves if m.event not in ("start", "cancel")]
    accepted = moves[:1] == [outcome.event] or (outcome.event, moves[:1]) in (
        ("release", ["confirm"]), ("retry", ["fail"]),
    )  # fmt: skip
    if refused and accepted and outcome.event == "complete":
        yield f"job {short(run.id)}: {outcome.event} is stored, and was refused"
    if not refused and not accepted:
        yield f"job {short(run.id)}: {outcome.event} was accepted, the journal has {moves}"


def _left(scene: Scene, file: oracle.File) -> Iterator[str]:
    """Who waits for ever."""
    parked = _parked(scene)
    asked = any(job.status == "cancelling" for job in file.jobs.values())
    for actor in scene.run.actors.values():
        if actor.ended or actor.dead or actor.name in parked:
            continue
        if actor.label == "wait to be told" and not asked:
            continue
        yield f"{actor.name} waits for ever: {actor.label}"


def _parked(scene: Scene) -> set[str]:
    """The workers that wait for a job."""
    return {
        thread.name
        for pool in scene.pools
        for ticket, thread in zip(pool._tickets, pool._threads, strict=True)
        if ticket.parked and not ticket.stopping
    }


def short(id_: str) -> str:
    """A job's id without its zeros."""
    return id_.lstrip("0") or "0"
