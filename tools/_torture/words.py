"""Jepsen's words for a queue: what became of every enqueue that was asked for.

An enqueue is known by its wish, which was written down before sprag was asked and is part of the
job's item, so that one without an answer is known as well.

LOST        acknowledged, but not in the file, or in it and not ended when all is done.
UNEXPECTED  in the file, but nobody asked for it; or announced by a signal or given to a handler,
            but neither in the file nor acknowledged.
DUPLICATED  completed twice; or asked for once and stored as two jobs; or one start of a job given
            to a handler twice. (That a job is started again after a crash is what at-least-once
            means: `handled again` counts those, with the reasons that the journal gives.)
HELD TWICE  accepted while another job held the same unique key.
RECOVERED   no answer came, since the process died or the write was refused, but it is in the file
            and ended. This is no error: the answer was lost, not the job.

What was asked for is either acknowledged, recovered or absent: not answered, and not in the file.
"""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import _oracle as oracle
from _oracle import Connection, File, JobRow

from .life import Life
from .line import Line


def wishes(connection: Connection) -> dict[str, str]:
    """The wish that each job of the file was enqueued for, by its id; "" if it says none."""
    found = {}
    for id_, item in connection.execute("SELECT id, item FROM job"):
        said = json.loads(item)
        named = isinstance(said, list) and len(said) == 3 and isinstance(said[2], str)
        found[id_] = said[2] if named else ""
    return found


def words(lives: Sequence[Life], file: File, wish_of: Mapping[str, str]) -> Iterator[Line]:
    """The lines of the report; `wish_of` is what `wishes` found in the same file."""
    asked = {wish for life in lives for wish in life.asking}
    acknowledged = {wish: id_ for life in lives for wish, id_ in life.enqueued.items()}
    stored = set(wish_of.values())
    unanswered = asked - acknowledged.keys()
    recovered = [id_ for id_, wish in wish_of.items() if wish in unanswered]
    absent = unanswered - stored
    refused = Counter(error for life in lives for error in life.refused.values())

    yield Line("asked for", len(asked))
    yield Line("acknowledged", len(acknowledged))
    again = Counter(wish for life in lives for wish in life.asking)
    yield Line("asked again", sum(times > 1 for times in again.values()),
               remark="by a successor, since its process had died without an answer")  # fmt: skip
    yield _line("LOST", _lost(acknowledged, file))
    yield _line("UNEXPECTED", _unexpected(lives, file, wish_of, asked, acknowledged))
    yield _line("DUPLICATED", _duplicated(lives, file, wish_of))
    yield _line("HELD TWICE", _held_twice(lives, file, wish_of))
    yield Line(
        "RECOVERED", len(recovered),
        [f"job {id_} is {file.jobs[id_].status} at the end" for id_ in _unended(recovered, file)],
        "no answer came, but they are there, and ended",
    )  # fmt: skip
    yield Line("absent", len(absent), remark="; ".join(
        ["no answer came, and they are not there", *_counted(refused)]))  # fmt: skip
    yield _handled_again(lives, file)


def _line(word: str, problems: Iterable[str]) -> Line:
    found = list(problems)
    return Line(word, len(found), found)


def _unended(ids: Iterable[str], file: File) -> list[str]:
    return [id_ for id_ in ids if file.jobs[id_].status not in oracle.ENDS]


def _lost(acknowledged: Mapping[str, str], file: File) -> Iterator[str]:
    for id_ in acknowledged.values():
        if id_ not in file.jobs:
            yield f"job {id_} was acknowledged and is gone"
    for id_ in _unended((i for i in acknowledged.values() if i in file.jobs), file):
        yield f"job {id_} was acknowledged and is {file.jobs[id_].status} at the end"


def _unexpected(
    lives: Sequence[Life],
    file: File,
    wish_of: Mapping[str, str],
    asked: set[str],
    acknowledged: Mapping[str, str],
) -> Iterator[str]:
    for id_ in file.jobs:
        if wish_of.get(id_, "") not in asked:
            yield f"job {id_} is in the file, and nobody asked for it"
    known = file.jobs.keys() | set(acknowledged.values())
    told = {entry.job for life in lives for entry in life.signals}
    handled = {run.job for life in lives for run in life.runs}
    for id_ in sorted((told | handled) - known):
        what = "announced" if id_ in told else "given to a handler"
        yield f"job {id_} was {what}, and is neither in the file nor acknowledged"


def _duplicated(lives: Sequence[Life], file: File, wish_of: Mapping[str, str]) -> Iterator[str]:
    for job in file.jobs.values():
        times = sum(move.event == "complete" for move in job.moves)
        if times > 1:
            yield f"job {job.id} completed {times} times"
    for wish, times in Counter(wish_of.values()).items():
        if wish and times > 1:
            yield f"{wish} was asked for once and is {times} jobs"
    runs = Counter((run.job, run.starts) for life in lives for run in life.runs)
    for (id_, starts), times in runs.items():
        if times > 1:
            yield f"start {starts} of job {id_} was given to handlers {times} times"


def _held_twice(lives: Sequence[Life], file: File, wish_of: Mapping[str, str]) -> Iterator[str]:
    """Unique jobs of one key that were unfinished at the same time. After a requeue, a job has no
    key any more."""
    asked = {wish: what for life in lives for wish, what in life.asking.items()}
    spans: dict[int, list[tuple[int, float, str]]] = {}
    for job in file.jobs.values():
        kind, number = asked.get(wish_of.get(job.id, ""), ("", "0"))
        if kind == "unique":
            ends = [move.seq for move in job.moves if move.target in oracle.ENDS]
            span = (job.moves[0].seq, min(ends, default=math.inf), job.id)
            spans.setdefault(int(number) % 3, []).append(span)
    for of_key in spans.values():
        for (_, end, before), (begin, _, after) in itertools.pairwise(sorted(of_key)):
            if begin < end:
                yield f"job {after} was accepted while job {before} held its key"


def _handled_again(lives: Sequence[Life], file: File) -> Line:
    """Handlers were called more than once for these jobs; why, by the journal."""
    first: set[str] = set()
    again: dict[str, list[int]] = {}
    for run in (run for life in lives for run in life.runs):
        if run.job in first:
            again.setdefault(run.job, []).append(run.starts)
        first.add(run.job)
    reasons = Counter(
        reason for id_ in again if id_ in file.jobs for reason in _reasons(file.jobs[id_])
    )
    return Line("handled again", len(again), remark="; ".join(_counted(reasons)))


_WHY = {
    "recover": "its process died",
    "retry": "it failed",
    "release": "its process left",
    "requeue": "it was asked for",
}


def _reasons(job: JobRow) -> Iterator[str]:
    yield from (_WHY[move.event] for move in job.moves if move.event in _WHY)


def _counted(counter: Counter[str]) -> list[str]:
    return [f"{what}: {times:,}" for what, times in counter.most_common()]
