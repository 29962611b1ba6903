"""What a file must hold, given what the world had been told when the power failed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import _oracle as oracle
from _oracle import File, JobRow

from .log import Log, Mark

Move = tuple[str, str, str, int]
"""Job, event, status, attempt."""


@dataclass
class Told:
    """All that was told, or asked for, until some moment; grows by `hear`."""

    accepted: dict[str, int | None] = field(default_factory=dict)
    """The number in the item, by job; None where it is not known."""
    signals: dict[int, Move] = field(default_factory=dict)
    starts: dict[str, int] = field(default_factory=dict)
    """The latest run that a handler saw, by job."""
    cancels: dict[str, str] = field(default_factory=dict)
    """What `cancel` returned."""
    ends: dict[str, tuple[str, Any]] = field(default_factory=dict)
    """Status and result, until a requeue is asked for."""
    requeues: Counter[str] = field(default_factory=Counter)
    prunable: set[str] = field(default_factory=set)
    """What had ended when it was asked to prune."""
    backups: dict[str, int] = field(default_factory=dict)
    """The newest seq when it was asked for, by name."""
    dead: set[int] = field(default_factory=set)
    """Owners that were killed."""

    def hear(self, marks: Iterable[Any]) -> None:
        """Take these entries of a log; operations are passed over."""
        for entry in marks:
            if isinstance(entry, Mark):
                if entry.what == "signal":
                    self._signal(*entry.words)
                else:
                    self._hear(entry)

    def _signal(self, seq: int, job: str, event: str, status: str, attempt: int) -> None:
        if event != "progress":  # of which the oracle knows where it may be
            self.signals[seq] = (job, event, status, attempt)

    def _hear(self, mark: Mark) -> None:
        match mark.what, mark.words:
            case "accepted", (jobs,):
                for id_, number in jobs:
                    self.accepted[id_] = self.accepted.get(id_) if number is None else number
            case "running", (job, starts):
                self.starts[job] = max(starts, self.starts.get(job, 0))
            case "cancelled", (job, status):
                self.cancels[job] = status
            case "ended", (job, status, result):
                self.ends[job] = (status, result)
            case "requeue", (job,):
                self.ends.pop(job, None)
            case "requeued", (job,):
                self.requeues[job] += 1
            case "prune", ():
                self.prunable |= set(self.ends)
            case "backed up", (name, seq):
                self.backups[name] = seq
            case "died", (owner,):
                self.dead.add(owner)
            case _:
                raise ValueError(f"not understood: {mark!r}")


@dataclass(frozen=True)
class History:
    """What is known in the end: every move that was told, and every job that was accepted."""

    moves: dict[int, Move]
    jobs: frozenset[str]

    @classmethod
    def of(cls, log: Log) -> History:
        """That of a whole log."""
        told = Told()
        told.hear(log.entries)
        return cls(told.signals, frozenset(told.accepted))


def true_so_far(file: File, told: Told, history: History) -> Iterator[str]:
    """What the file holds that did not happen; for every image, whatever was lost."""
    ids = {job.key: job.id for job in file.jobs.values()}
    newest = max(history.moves, default=0)
    for move in file.moves:
        here = (ids.get(move.key, ""), move.event, move.target, move.attempt)
        there = history.moves.get(move.seq)
        if there not in (here, None):
            yield f"seq {move.seq} is {_said(here)}, but it was told as {_said(there)}"
        elif there is None and move.seq < newest:
            yield f"seq {move.seq} is {_said(here)}, of which nobody was told"
        if move.event in ("recover", "lose") and move.owner not in told.dead:
            yield f"seq {move.seq}: job {here[0]} was taken from owner {move.owner}, which lived"
    for job in file.jobs.values():
        if job.id not in history.jobs:
            yield f"job {job.id} was never enqueued"
        number = told.accepted.get(job.id)
        if job.status == "completed" and number is not None and result_of(job) != 2 * number:
            yield f"job {job.id} of {number} has the result {job.result}"


def kept(file: File, told: Told) -> Iterator[str]:
    """What was told and is not in the file; for images from which nothing may be missing."""
    ids = {job.key: job.id for job in file.jobs.values()}
    newest = file.moves[-1].seq if file.moves else 0
    if told.signals and newest < max(told.signals):
        yield f"the journal ends at seq {newest}, but seq {max(told.signals)} was signalled"
    for seq, said in told.signals.items():
        move = file.move(seq)
        if move is None:
            if said[0] in file.jobs or said[0] not in told.prunable:
                yield f"seq {seq} was signalled as {_said(said)} and is gone"
        elif (ids.get(move.key), move.event, move.target, move.attempt) != said:
            yield f"seq {seq} was signalled as {_said(said)} and is another move"
    for id_ in told.accepted:
        job = file.jobs.get(id_)
        if job is not None:
            yield from (f"job {id_} {what}" for what in _kept(job, told))
        elif id_ not in told.prunable:
            yield f"job {id_} was acknowledged and is gone"


def backed_up(there: Mapping[str, int], told: Told) -> Iterator[str]:
    """What is missing of backups, given the newest seq of each that is there."""
    for name, seq in told.backups.items():
        if there.get(name, -1) < seq:
            yield f"{name} was made at seq {seq} and has {there.get(name, 'nothing')}"


def _kept(job: JobRow, told: Told) -> Iterator[str]:
    if job.starts < told.starts.get(job.id, 0):
        yield f"ran for the {told.starts[job.id]}th time and was started {job.starts} times"
    events = Counter(move.event for move in job.moves)
    status = told.cancels.get(job.id)
    if status in ("cancelling", "cancelled") and not events["cancel"]:
        yield f"was {status} when cancel() returned and is {job.status} without a cancel"
    if events["requeue"] < told.requeues[job.id]:
        yield f"was requeued {told.requeues[job.id]} times, its journal says {events['requeue']}"
    if job.id in told.ends:
        end, result = told.ends[job.id]
        if (job.status, result_of(job)) != (end, result):
            yield f"had ended as {end} with {result} and is {job.status} with {job.result}"


def finished(before: File, after: File) -> Iterator[str]:
    """What went wrong between an image and the end of all its jobs."""
    for seq_before, seq_after in zip(before.moves, after.moves, strict=False):
        if seq_before != seq_after:
            yield f"recovery changed the journal's past: {seq_before} became {seq_after}"
            return
    for id_, job in before.jobs.items():
        now = after.jobs.get(id_)
        if now is None:
            yield f"recovery lost job {id_}"
        elif now.status not in oracle.ENDS:
            yield f"job {id_} is {now.status} after all were waited for"
        elif job.status in oracle.ENDS and now != job:
            yield f"job {id_} had ended as {job.status}, and recovery changed it"
    for owner in after.owners:
        yield f"owner {owner} is left after all have left"


def result_of(job: JobRow) -> Any:
    """What its handler returned."""
    return None if job.result is None else json.loads(job.result)


def _said(move: Move | None) -> str:
    if move is None:
        return "nothing"
    job, event, status, attempt = move
    return f"{event} of {job} to {status} at attempt {attempt}"
