"""What a run proves or refutes: the file at its end against all that its processes were told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import _oracle as oracle
from _oracle import File, JobRow

from .driver import Record
from .slot import Life, Slot

_CLOCK_SECONDS = 0.002


@dataclass
class Line:
    """One row of the table."""

    claim: str
    count: int
    problems: list[str] = field(default_factory=list)


def judge(record: Record, file: File) -> list[Line]:
    """The verdicts; a run passes if none has a problem."""
    lives = [life for slot in record.slots for life in slot.lives]
    kinds: dict[str, str] = {}
    for life in lives:
        kinds.update(life.enqueued)
    return [
        Line("the file kept its rules, audits", record.audits, record.problems),
        _accepted(kinds, file),
        _completed(file),
        _ended(file),
        _announced(lives, file),
        _gapless(record.slots),
        *_deaths(lives, file),
        _poisoned(kinds, file),
        _exits(lives),
    ]


def _accepted(kinds: dict[str, str], file: File) -> Line:
    lost = [f"job {id_} was acknowledged and is gone" for id_ in kinds if id_ not in file.jobs]
    return Line("acknowledged jobs are in the file", len(kinds), lost)


def _completed(file: File) -> Line:
    found = []
    count = 0
    for job in file.jobs.values():
        times = sum(move.event == "complete" for move in job.moves)
        count += times
        if times > 1:
            found.append(f"job {job.id} completed {times} times")
    return Line("completed, no job twice", count, found)


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


def _deaths(lives: list[Life], file: File) -> Iterator[Line]:
    """Jobs were taken from dead processes, and from no other."""
    owner_of: dict[int, Life] = {}
    strangers = []
    for life in lives:
        for id_, starts in life.runs:
            job = file.jobs.get(id_)
            owner = _owner(job, starts) if job is not None else None
            if owner is None or owner_of.setdefault(owner, life) is not life:
                strangers.append(f"process {life.pid} ran job {id_} that owner {owner} had started")
    yield Line("runs belonged to the process that started them", len(owner_of), strangers)

    taken = cancelled = 0
    early, needless = [], []
    for job in file.jobs.values():
        asked = False
        for move in job.moves:
            life_of = owner_of.get(move.owner) if move.owner is not None else None
            if life_of is None:
                pass  # nobody lived to say that it ran there
            elif move.event in ("recover", "lose"):
                taken += 1
                if move.at < life_of.ended_at - _CLOCK_SECONDS:
                    early.append(f"seq {move.seq}: job {job.id} was taken from a live process")
                if life_of.clean:
                    needless.append(f"seq {move.seq}: job {job.id} of a process that left in order")
            elif move.event == "confirm" and asked and move.at > life_of.ended_at:
                cancelled += 1
            asked = move.event == "cancel"
    yield Line("jobs taken from dead processes, none from a live one", taken, early)
    yield Line("processes left in order, and left no job behind",
               sum(life.clean for life in lives), needless)  # fmt: skip
    yield Line("cancelled before the crash, and cancelled after it", cancelled)


def _owner(job: JobRow, starts: int) -> int | None:
    """Whose run number `starts` was."""
    begun = [move.owner for move in job.moves if move.event == "start"]
    return begun[starts - 1] if starts <= len(begun) else None


def _poisoned(kinds: dict[str, str], file: File) -> Line:
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
        code = life.process.returncode
        expected: tuple[int, ...] = (0,) if life.drained else ()
        if life.asked in ("kill", "poison"):
            expected = (-9, 0, 143)  # it may have been ending already
        elif life.asked == "term":
            # A job may kill it while it ends.
            expected = (143,)
        if code not in expected:
            tail = life.log.read_text(errors="replace")[-2000:]
            found.append(f"process {life.pid} ended with {code}, asked to {life.asked}:\n{tail}")
    return Line("processes ended as they were asked to", len(lives), found)
