"""Whether a database file is what its journal says, told without a line of sprag.

The rules are written down here a second time on purpose: an oracle that asked the code under
test would agree with every mistake in it. It takes any connection whose `execute(sql)` can be
iterated over, that of `sqlite3` or that of apsw.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

EDGES = {
    (None, "enqueue"): "queued",
    ("queued", "start"): "running",
    ("queued", "cancel"): "cancelled",
    ("running", "cancel"): "cancelling",
    ("running", "complete"): "completed",
    ("running", "fail"): "failed",
    ("running", "retry"): "queued",
    ("running", "release"): "queued",
    ("running", "recover"): "queued",
    ("running", "lose"): "failed",
    ("cancelling", "confirm"): "cancelled",
    ("cancelling", "complete"): "completed",
    ("cancelling", "fail"): "failed",
    ("failed", "requeue"): "queued",
    ("cancelled", "requeue"): "queued",
}
STATUSES = ("queued", "running", "cancelling", "completed", "failed", "cancelled")
HELD = ("running", "cancelling")
ENDS = ("completed", "failed", "cancelled")


class Connection(Protocol):
    """As much of a connection as the oracle needs."""

    def execute(self, statement: str, /) -> Iterable[Any]: ...


@dataclass(frozen=True, slots=True)
class Move:
    """A row of the journal."""

    seq: int
    key: int
    event: str
    source: str | None
    target: str
    attempt: int
    owner: int | None
    at: float
    error: str | None


@dataclass
class JobRow:
    """A row of `job`, and the moves of that job."""

    key: int
    id: str
    queue: str
    status: str
    event: str
    attempt: int
    max_attempts: int
    crashes: int
    max_crashes: int
    starts: int
    owner: int | None
    error: str | None
    result: str | None
    moves: list[Move] = field(default_factory=list)


@dataclass
class File:
    """Everything in a file, read at one instant."""

    jobs: dict[str, JobRow]
    moves: list[Move]
    strays: list[Move]
    """Moves of no job."""
    owners: set[int]
    pruned: int
    progress: list[tuple[int, int, int]]
    """key, starts, seq of each row."""

    def move(self, seq: int) -> Move | None:
        """The move with this seq, if it has not been pruned."""
        low, high = 0, len(self.moves)
        while low < high:
            middle = (low + high) // 2
            if self.moves[middle].seq < seq:
                low = middle + 1
            else:
                high = middle
        return self.moves[low] if low < len(self.moves) and self.moves[low].seq == seq else None


def read(connection: Connection) -> File:
    """The file's content."""
    connection.execute("BEGIN")
    try:
        jobs = {
            row[0]: JobRow(*row)
            for row in connection.execute(
                "SELECT key, id, queue, status, event, attempt, max_attempts, crashes, "
                "max_crashes, starts, owner, error, result FROM job"
            )
        }
        moves = [
            Move(*row)
            for row in connection.execute(
                "SELECT seq, job, event, from_status, to_status, attempt, owner, at, error "
                "FROM transition ORDER BY seq"
            )
        ]
        owners = {row[0] for row in connection.execute("SELECT id FROM owner")}
        progress = [
            (row[0], row[1], row[2])
            for row in connection.execute("SELECT job, starts, seq FROM progress")
        ]
        [[pruned]] = connection.execute("SELECT pruned FROM counter")
    finally:
        connection.execute("COMMIT")
    strays = []
    for move in moves:
        if move.key in jobs:
            jobs[move.key].moves.append(move)
        else:
            strays.append(move)
    by_id = {job.id: job for job in jobs.values()}
    return File(by_id, moves, strays, owners, pruned, progress)


def audit(connection: Connection, *, integrity: bool = True) -> list[str]:
    """What is wrong with the file; nothing, if all is well."""
    found = list(problems(read(connection)))
    if integrity:
        answer = [row[0] for row in connection.execute("PRAGMA integrity_check")]
        if answer != ["ok"]:
            found.append(f"integrity_check: {answer[:5]}")
    return found


def problems(file: File) -> Iterator[str]:
    """What contradicts the rules, one sentence each."""
    yield from _sequence(file)
    for job in file.jobs.values():
        yield from (f"job {job.id}: {what}" for what in _job(job, file))
    by_key = {job.key: job for job in file.jobs.values()}
    newest = file.moves[-1].seq if file.moves else 0
    for key, starts, seq in file.progress:
        owner = by_key.get(key)
        if owner is None:
            yield f"progress of no job (key {key})"
        elif starts > owner.starts or seq > newest:
            yield f"progress of job {owner.id} is ahead of the journal"
        elif starts == owner.starts and owner.moves[-1].seq <= seq and owner.status in ENDS:
            yield f"progress of job {owner.id} was stored after its end"


def _sequence(file: File) -> Iterator[str]:
    seqs = [move.seq for move in file.moves]
    if seqs and seqs[-1] != len(seqs) + file.pruned:
        yield f"{len(seqs)} transitions and {file.pruned} pruned ones end at seq {seqs[-1]}"
    if file.pruned == 0 and seqs != list(range(1, len(seqs) + 1)):
        yield "seq has a gap, though nothing was pruned"
    for move in file.strays:
        yield f"transition {move.seq} belongs to no job"


def _job(job: JobRow, file: File) -> Iterator[str]:
    if not job.moves:
        yield "has no transition"
        return
    status: str | None = None
    attempt = crashes = starts = completions = 0
    owner: int | None = None
    for move in job.moves:
        target = EDGES.get((status, move.event))
        if target is None:
            yield f"seq {move.seq}: {move.event} is no move from {status}"
            return
        if (move.source, move.target) != (status, target):
            yield f"seq {move.seq}: says {move.source} to {move.target}, is {status} to {target}"
        belongs = attempt + (move.event == "start")
        if move.attempt != belongs:
            yield f"seq {move.seq}: attempt {move.attempt}, expected {belongs}"
        if status in HELD and move.owner != owner:
            yield f"seq {move.seq}: owner {move.owner}, but it was owner {owner} who ran it"
        match move.event:
            case "start":
                attempt, starts, owner = attempt + 1, starts + 1, move.owner
            case "release":
                attempt -= 1
            case "recover" | "lose":
                crashes += 1
                if (move.event == "lose") != (crashes >= job.max_crashes):
                    yield f"seq {move.seq}: {move.event} at crash {crashes} of {job.max_crashes}"
            case "requeue":
                attempt = crashes = 0
            case "retry":
                if attempt >= job.max_attempts:
                    yield f"seq {move.seq}: retried at attempt {attempt} of {job.max_attempts}"
        if (move.error is not None) != (move.event in ("fail", "retry", "lose")):
            yield f"seq {move.seq}: {move.event} {'without' if move.error is None else 'with'} error"
        completions += move.event == "complete"
        status = target
    if completions > 1:
        yield f"completed {completions} times"
    latest = job.moves[-1]
    said = (job.status, job.event, job.attempt, job.crashes, job.starts, job.error)
    folded = (status, latest.event, attempt, crashes, starts, latest.error)
    if said != folded:
        yield f"the row says {said}, its transitions add up to {folded}"
    if job.owner != (owner if status in HELD else None):
        yield f"the row's owner is {job.owner}, expected {owner if status in HELD else None}"
    if job.owner is not None and job.owner not in file.owners:
        yield f"it runs, but its owner {job.owner} is not known"
    if (job.result is not None) != (status == "completed"):
        yield f"is {status} with result {job.result!r}"
    if latest.event == "lose" and f"died {crashes} times" not in json.loads(latest.error or "{}").get(
        "message", ""
    ):
        yield f"was lost without saying so: {latest.error}"


def counts(file: File, queue: str) -> dict[str, int]:
    """How many jobs of a queue are in each status."""
    found = dict.fromkeys(STATUSES, 0)
    for job in file.jobs.values():
        if job.queue == queue:
            found[job.status] += 1
    return found
