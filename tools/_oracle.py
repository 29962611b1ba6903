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
COUNTS = {
    "start": (1, 1, 0, 0),
    "release": (0, -1, 0, 0),
    "recover": (0, 0, 1, 0),
    "lose": (0, 0, 1, 0),
    "requeue": (0, 0, 0, 1),
}
"""What an event adds to starts, attempts and crashes, and whether the latter begin at 0 again."""
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
    previous: int | None
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
    newest: int | None
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
    unique_key: str | None = None
    unique_for: str | None = None
    unique_until: float | None = None
    overdue: int | None = None
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
                "SELECT key, id, newest, queue, status, event, attempt, max_attempts, crashes, "
                "max_crashes, starts, owner, error, result, unique_key, unique_for, unique_until, "
                "overdue FROM job"
            )
        }
        moves = [
            Move(*row)
            for row in connection.execute(
                "SELECT seq, job, previous, event, source, target, attempt, owner, at, error "
                "FROM journal LEFT JOIN move ON move.id = journal.move ORDER BY seq"
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
    found = [*_law(connection), *problems(read(connection))]
    if integrity:
        answer = [row[0] for row in connection.execute("PRAGMA integrity_check")]
        if answer != ["ok"]:
            found.append(f"integrity_check: {answer[:5]}")
    return found


def _law(connection: Connection) -> Iterator[str]:
    """Where the table of moves is another one."""
    said = sorted(
        tuple(row)
        for row in connection.execute(
            "SELECT ifnull(source, ''), event, target, starts, attempts, crashes, afresh FROM move"
        )
    )
    wanted = sorted(
        (source or "", event, target, *COUNTS.get(event, (0, 0, 0, 0)))
        for (source, event), target in EDGES.items()
    )
    if said != wanted:
        yield f"the table of moves has {set(said) - set(wanted)}, lacks {set(wanted) - set(said)}"


def problems(file: File) -> Iterator[str]:
    """What contradicts the rules, one sentence each."""
    yield from _sequence(file)
    for job in file.jobs.values():
        yield from (f"job {job.id}: {what}" for what in _job(job, file))
    yield from _unique(file)
    by_key = {job.key: job for job in file.jobs.values()}
    newest = file.moves[-1].seq if file.moves else 0
    for key, starts, seq in file.progress:
        owner = by_key.get(key)
        if owner is None:
            yield f"progress of no job (key {key})"
        elif starts > owner.starts or seq > newest:
            yield f"progress of job {owner.id} is ahead of the journal"
        elif not owner.moves or owner.status not in ENDS:
            pass
        elif starts == owner.starts and owner.moves[-1].seq <= seq:
            yield f"progress of job {owner.id} was stored after its end"


def _sequence(file: File) -> Iterator[str]:
    seqs = [move.seq for move in file.moves]
    if seqs and seqs[-1] != len(seqs) + file.pruned:
        yield f"{len(seqs)} transitions and {file.pruned} pruned ones end at seq {seqs[-1]}"
    if file.pruned == 0 and seqs != list(range(1, len(seqs) + 1)):
        yield "seq has a gap, though nothing was pruned"
    for move in file.strays:
        yield f"transition {move.seq} belongs to no job"


def _unique(file: File) -> Iterator[str]:
    """Unique keys that are held for too long, or twice."""
    holders: dict[tuple[str, str], str] = {}
    for job in file.jobs.values():
        if job.unique_key is None:
            continue
        other = holders.setdefault((job.queue, job.unique_key), job.id)
        if other != job.id:
            yield f"jobs {other} and {job.id} hold the key {job.unique_key!r}"
        ended = job.status in ENDS and (job.unique_for is not None or job.unique_until is None)
        begun = job.unique_for == "queued" and job.starts > 0
        if ended or begun or any(move.event == "requeue" for move in job.moves):
            yield f"job {job.id} is {job.status}, and still holds the key {job.unique_key!r}"


def _job(job: JobRow, file: File) -> Iterator[str]:
    if not job.moves:
        yield "has no transition"
        return
    folded = _Fold(job)
    for move in job.moves:
        yield from (f"seq {move.seq}: {what}" for what in folded.add(move))
    latest = job.moves[-1]
    said = (job.status, job.event, job.attempt, job.crashes, job.starts, job.error)
    wanted = (
        folded.status, latest.event, folded.attempt, folded.crashes, folded.starts, latest.error,
    )  # fmt: skip
    if said != wanted:
        yield f"the row says {said}, its transitions add up to {wanted}"
    if job.newest != latest.seq:
        yield f"the row's newest move is {job.newest}, expected {latest.seq}"
    if job.owner != folded.owner:
        yield f"the row's owner is {job.owner}, expected {folded.owner}"
    if job.owner is not None and job.owner not in file.owners:
        yield f"it runs, but its owner {job.owner} is not known"
    if job.overdue is not None and not 0 < job.overdue <= job.starts:
        yield f"its run {job.overdue} of {job.starts} is over its time limit"
    if (job.result is not None) != (job.status == "completed"):
        yield f"is {job.status} with result {job.result!r}"
    if latest.event == "lose":
        message = json.loads(latest.error or "{}").get("message", "")
        if f"died {job.crashes} times" not in message:
            yield f"was lost without saying so: {message!r}"


class _Fold:
    """What the moves of a job add up to."""

    def __init__(self, job: JobRow) -> None:
        self._job = job
        self.status: str | None = None
        self.attempt = 0
        self.crashes = 0
        self.starts = 0
        self.completions = 0
        self.owner: int | None = None
        self.seq: int | None = None

    def add(self, move: Move) -> Iterator[str]:
        """Take the next move; what is wrong with it."""
        target = EDGES.get((self.status, move.event))
        if (move.source, move.target) != (self.status, target):
            yield (
                f"{move.event} leads from {move.source} to {move.target}, expected from "
                f"{self.status} to {target}"
            )
        if move.previous != self.seq:
            yield f"leads back to {move.previous}, expected {self.seq}"
        if self.owner is not None and move.owner != self.owner:
            yield f"owner {move.owner}, but it was owner {self.owner} who ran it"
        if move.attempt != self.attempt + (move.event == "start"):
            yield f"{move.event} of attempt {move.attempt} at attempt {self.attempt}"
        fails = move.event in ("fail", "retry", "lose")
        # A release with an error is a retry that does not count.
        if (move.error is not None) != fails and (move.error is None or move.event != "release"):
            yield f"{move.event} with the error {move.error}"
        if move.event == "retry" and self.attempt >= self._job.max_attempts:
            yield f"a retry at attempt {self.attempt} of {self._job.max_attempts}"
        self._count(move)
        if move.event in ("recover", "lose"):
            last = self.crashes >= self._job.max_crashes
            if (move.event == "lose") != last:
                yield f"{move.event} at crash {self.crashes} of {self._job.max_crashes}"
        if self.completions > 1:
            yield "completed a second time"
        self.status, self.seq = move.target, move.seq
        if self.status not in HELD:
            self.owner = None

    def _count(self, move: Move) -> None:
        if move.event == "start":
            self.owner = move.owner
        self.starts += move.event == "start"
        self.attempt += (move.event == "start") - (move.event == "release")
        self.crashes += move.event in ("recover", "lose")
        self.completions += move.event == "complete"
        if move.event == "requeue":
            self.attempt = self.crashes = 0


def counts(file: File, queue: str) -> dict[str, int]:
    """How many jobs of a queue are in each status."""
    found = dict.fromkeys(STATUSES, 0)
    for job in file.jobs.values():
        if job.queue == queue:
            found[job.status] += 1
    return found
