"""What a run proves or refutes: the file at its end against all that its processes were told."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import _oracle as oracle
from _oracle import File, JobRow

from .driver import Record
from .life import KILLED, TERMINATED, Life
from .line import Line
from .slot import Slot
from .takeover import Takeovers, takeovers
from .words import words

_CLOCK_SECONDS = 0.002


@dataclass
class Verdict:
    """A run passes if no line has a problem."""

    lines: list[Line]
    takeovers: Takeovers

    @property
    def good(self) -> bool:
        return not any(line.problems for line in self.lines)


def judge(record: Record, file: File, wish_of: Mapping[str, str]) -> Verdict:
    """The verdict; `wish_of` is what each job of the file was enqueued for, by its id."""
    lives = [life for slot in record.slots for life in slot.lives]
    owner_of, strangers = _owners(lives, file)
    lines = [
        *words(lives, file, wish_of),
        Line("the file kept its rules, audits", record.audits, record.problems),
        _ended(file),
        _announced(lives, file),
        _gapless(record.slots),
        Line("runs belonged to the process that started them", len(owner_of), strangers),
        *_deaths(owner_of, file),
        _paused(owner_of, file),
        Line("processes left in order, and left no job behind",
             sum(life.clean for life in lives), _needless(owner_of, file)),
        _poisoned(lives, file),
        _exits(lives),
    ]  # fmt: skip
    return Verdict(lines, takeovers(lives, owner_of, file))


def _ended(file: File) -> Line:
    left = [job for job in file.jobs.values() if job.status not in oracle.ENDS]
    return Line(
        "jobs came to an end", len(file.jobs) - len(left),
        [f"job {job.id} is {job.status} at the end" for job in left],
    )  # fmt: skip


def _announced(lives: list[Life], file: File) -> Line:
    """Every signal that a subscriber saw is what the journal says now."""
    ids = {job.key: job.id for job in file.jobs.values()}
    found = []
    count = 0
    for life in lives:
        for told in life.signals:
            if told.event == "progress":
                continue
            count += 1
            move = file.move(told.seq)
            if move is None:
                found.append(f"{told} was announced and is not in the journal")
            elif (ids.get(move.key), move.event, move.target) != (
                told.job, told.event, told.status,
            ):  # fmt: skip
                found.append(f"{told} was announced, the journal says {move}")
    return Line("announced moves are still there", count, found)


def _gapless(slots: list[Slot]) -> Line:
    """A subscriber that resumes after its last seq, life after life, misses and repeats nothing."""
    found = []
    resumed = 0
    for slot in slots:
        newest = 0
        for life in slot.lives:
            resumed += bool(newest and life.signals)
            place = newest
            for told in life.signals:
                if told.event == "progress":
                    if told.seq < place:
                        found.append(f"{slot.name}: progress of seq {told.seq} after seq {place}")
                    continue
                if told.seq != newest + 1:
                    found.append(f"{slot.name}: seq {told.seq} followed seq {newest}")
                newest = place = told.seq
    return Line("subscribers resumed without gap or repetition", resumed, found)


def _owners(lives: list[Life], file: File) -> tuple[dict[int, Life], list[str]]:
    """Whose each owner id was, by the runs that its process told of; and what contradicts it."""
    owner_of: dict[int, Life] = {}
    strangers = []
    for life in lives:
        for run in life.runs:
            job = file.jobs.get(run.job)
            owner = _owner(job, run.starts) if job is not None else None
            if owner is None or owner_of.setdefault(owner, life) is not life:
                strangers.append(f"process {life.pid} ran job {run.job}, start {run.starts}, "
                                 f"which owner {owner} had started")  # fmt: skip
    return owner_of, strangers


def _owner(job: JobRow, starts: int) -> int | None:
    """Whose run number `starts` was."""
    begun = [move.owner for move in job.moves if move.event == "start"]
    return begun[starts - 1] if starts <= len(begun) else None


def _deaths(owner_of: Mapping[int, Life], file: File) -> Iterator[Line]:
    """Jobs were taken from dead processes, and from no other."""
    taken = cancelled = 0
    early = []
    for job in file.jobs.values():
        asked = False
        for move in job.moves:
            life = owner_of.get(move.owner) if move.owner is not None else None
            if life is None:
                pass  # nobody lived to say that it ran there
            elif move.event in ("recover", "lose"):
                taken += 1
                if move.at < life.ended_at - _CLOCK_SECONDS:
                    early.append(f"seq {move.seq}: job {job.id} was taken from a live process")
            elif move.event == "confirm" and asked and move.at > life.ended_at:
                cancelled += 1
            asked = move.event == "cancel"
    yield Line("jobs taken from dead processes, none from a live one", taken, early)
    yield Line("cancelled before the crash, and cancelled after it", cancelled)


def _needless(owner_of: Mapping[int, Life], file: File) -> list[str]:
    left = {owner for owner, life in owner_of.items() if life.clean}
    return [
        f"seq {move.seq}: job {job.id} of a process that left in order"
        for job in file.jobs.values()
        for move in job.moves
        if move.event in ("recover", "lose") and move.owner in left
    ]


def _paused(owner_of: Mapping[int, Life], file: File) -> Line:
    """A paused process holds its lock, and with it its jobs."""
    held = 0
    found = []
    for job in file.jobs.values():
        for move, following in zip(job.moves, [*job.moves[1:], None], strict=True):
            life = owner_of.get(move.owner) if move.owner is not None else None
            if move.event != "start" or life is None:
                continue
            left_at = following.at if following is not None else math.inf
            for since, until in life.pauses:
                end = min(until, life.ended_at)
                if not move.at < since < left_at:
                    continue
                # Another process may ask a paused job to cancel; that takes nothing from it.
                if left_at >= end - _CLOCK_SECONDS or (
                    following is not None and following.event == "cancel"
                ):
                    held += 1
                elif following is not None and following.event in ("recover", "lose"):
                    found.append(
                        f"seq {following.seq}: job {job.id} was taken from a paused process"
                    )
    return Line("jobs of paused processes, left to them", held, found)


def _poisoned(lives: list[Life], file: File) -> Line:
    kinds = {
        id_: life.asking[wish][0] for life in lives for wish, id_ in life.enqueued.items()
        if wish in life.asking
    }  # fmt: skip
    found = []
    poisons = [job for id_, job in file.jobs.items() if kinds.get(id_) == "poison"]
    for job in poisons:
        said = json.loads(job.error or "{}").get("message", "")
        if job.status == "cancelled":
            continue  # before it could do harm
        if job.status != "failed" or "died 3 times" not in said:
            found.append(f"job {job.id} kills its process, and is {job.status}: {said!r}")
    return Line("jobs that kill ended as failed, and say why", len(poisons), found)


def _exits(lives: list[Life]) -> Line:
    """Each process ended as it was asked to, and in no other way."""
    found = []
    for life in lives:
        expected: tuple[int, ...] = (0,) if life.drained else ()
        if life.asked in ("kill", "poison"):
            expected = (KILLED, 0, TERMINATED)  # it may have been ending already
        elif life.asked == "term":
            expected = (TERMINATED,)
        if life.code not in expected:
            tail = life.log.read_text(errors="replace")[-2000:]
            found.append(
                f"process {life.pid} ended with {life.code}, asked to {life.asked}:\n{tail}"
            )
    return Line("processes ended as they were asked to", len(lives), found)
