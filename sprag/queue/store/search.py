"""Lists of jobs, found in bounded time however many there are."""

from __future__ import annotations

import functools
import heapq
import itertools
import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, Literal, NamedTuple

import apsw

from .. import errors
from ..file.database import Database
from ..job import Progress
from ..threads.inside import here
from .glances import STATES, WAITING, Glance, State, statuses_of
from .rows import (
    Row,
    newest_keys,
    oldest_keys,
    queue_names,
    row_of,
    rows_of,
    shown,
    value_of,
)  # fmt: skip

Order = Literal["newest", "oldest", "due", "longest"]
Span = tuple[float, float]

_LATEST: Final = (1 << 63) - 1
_CUT: Final = 400
_CHUNK: Final = 200
_BY_ID: Final = 50
_SHORTEST_PREFIX: Final = 4
_FEW: Final = 2_000
_SORTED: Final = 1_000
# Keys are in the order of acceptance times, unless a clock was set back.
_SLACK: Final = 1.0


class Wanted(NamedTuple):
    """Which jobs a search is for.

    `now` divides what is ready from what waits. `queues`, `states` and `tasks`
    that are empty mean all. `text` is found at the beginning of the id, or somewhere in
    label, item or error (ASCII letters in either case). `accepted` and `ended`
    are [from, until) in unix seconds. `lost` names the owners that are dead.
    """

    now: float
    queues: Sequence[str] = ()
    states: Sequence[State] = ()
    text: str = ""
    accepted: Span | None = None
    ended: Span | None = None
    lost: Sequence[int] = ()
    tasks: Sequence[str] = ()


class Found(NamedTuple):
    """The result of a search: matches in order, and how far it looked.

    `next` is where to go on, or None at the end; `cut` says that the search
    stopped at its limit of time or jobs, not because the page was full.
    """

    jobs: tuple[Glance, ...]
    next: str | None
    looked: int
    cut: bool


class Search:
    """Finds jobs of one `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def glance(self, id_: str, lost: Sequence[int], now: float) -> Glance:
        """One job as lists show it. Raises JobNotFound."""
        with here.inside, self._database.snapshot() as reader:
            found = _by_id(reader, Wanted(now, text=id_, lost=lost))
        if not found:
            raise errors.JobNotFound(id_, None)
        return found[0]

    def held_by(self, owners: Sequence[int]) -> set[str]:
        """The ids of the jobs that these owners run."""
        if not owners:
            return set()
        with here.inside, self._database.reading() as reader:
            return {id_ for (id_,) in rows_of(reader, "held_ids", owners=json.dumps(owners))}

    def find(
        self,
        wanted: Wanted,
        count: int,
        place: int | None = None,
        order: Order = "newest",
        *,
        seconds: float = 0.5,
        most: int = 20_000,
    ) -> Found:
        """The first `count` matches in this order, from `place` on, the `next` of the page before.

        Looks no longer than about `seconds` and at `most` jobs. "due" and
        "longest" sort what they find among 1,000 jobs, and have one page only.
        """
        deadline = time.monotonic() + seconds
        with here.inside, self._database.snapshot() as reader:
            if place is None and (named := _by_id(reader, wanted)):
                return Found(tuple(named[:count]), None, len(named), False)
            if order in ("due", "longest"):
                keys = _keys(reader, wanted, None, "newest" if order == "longest" else order)
                looked = list(itertools.islice(keys, _SORTED))
                jobs = _glances(reader, looked, wanted)
                cut = next(keys, None) is not None
                return Found(_first(jobs, order, count), None, len(looked), cut)
            keys = _keys(reader, wanted, place, order)
            return _filled(reader, keys, wanted, count, order, deadline, most)

    def failures(self, count: int, window: int = 20_000) -> list[Glance]:
        """The failed jobs that failed last, the latest first: of the `window` newest transitions,
        then, if there are not enough, of the newest failed jobs."""
        failed = Wanted(0.0, states=("failed",))
        with here.inside, self._database.snapshot() as reader:
            rows = rows_of(reader, "failures", count=2 * count, window=window)
            keys = [key for (key,) in rows]
            if len(set(keys)) < count:
                keys += itertools.islice(_keys(reader, failed, None, "newest"), count)
            found = _glances(reader, list(dict.fromkeys(keys)), failed)
        found.sort(key=lambda job: -job.moved_at)
        return found[:count]


def _filled(
    reader: apsw.Connection,
    keys: Iterator[int],
    wanted: Wanted,
    count: int,
    order: Order,
    deadline: float,
    most: int,
) -> Found:
    found: list[Glance] = []
    looked = 0
    # If nearly every job matches, no more are read than are shown.
    chosen = bool(wanted.text or wanted.tasks) or wanted.ended is not None
    chunk = _CHUNK if chosen else count + 1
    while some := list(itertools.islice(keys, chunk)):
        looked += len(some)
        chunk = _CHUNK
        jobs = _glances(reader, some, wanted)
        found += jobs if order == "newest" else reversed(jobs)
        if len(found) > count:
            return Found(tuple(found[:count]), str(found[count - 1].key), looked, False)
        if looked >= most or time.monotonic() > deadline:
            return Found(tuple(found), str(some[-1]), looked, True)
    return Found(tuple(found), None, looked, False)


def _first(jobs: Iterable[Glance], order: Order, count: int) -> tuple[Glance, ...]:
    if order == "due":
        waiting = (job for job in jobs if job.status == "queued")
        return tuple(heapq.nsmallest(count, waiting, key=lambda job: (job.due_at, job.key)))
    ran = (job for job in jobs if job.seconds is not None)
    return tuple(heapq.nlargest(count, ran, key=lambda job: job.seconds or 0.0))


def _keys(
    reader: apsw.Connection, wanted: Wanted, place: int | None, order: Order
) -> Iterator[int]:
    """The keys of jobs that may match, in order, read as they are used. With "due", first what
    is ready, then what waits, as each queue has them."""
    low, high = _bounds(reader, wanted)
    queues = wanted.queues or queue_names(reader)
    states = set(wanted.states or STATES)
    queued = states.intersection(("ready", *WAITING))
    if order == "due":
        return itertools.chain.from_iterable(_queued(reader, q, queued, wanted.now) for q in queues)
    if states == queued and len(queued) < 3:
        few = [_queued(reader, queue, queued, wanted.now) for queue in queues]
        if all(len(keys) < _FEW for keys in few):
            keys = {key for of_queue in few for key in of_queue if low <= key < high}
            if order == "oldest":
                return iter(sorted(key for key in keys if place is None or key > place))
            chosen = (key for key in keys if place is None or key < place)
            return iter(sorted(chosen, reverse=True))
    pairs = itertools.product(queues, statuses_of(states))
    if order == "oldest":
        after = low - 1 if place is None else max(place, low - 1)
        upward = (
            _chunks(after, functools.partial(oldest_keys, reader, q, s, high=high, count=_CHUNK))
            for q, s in pairs
        )
        return heapq.merge(*upward)
    before = high if place is None else min(place, high)
    downward = (
        _chunks(before, functools.partial(newest_keys, reader, q, s, count=_CHUNK, low=low))
        for q, s in pairs
    )
    return heapq.merge(*downward, reverse=True)


def _chunks(start: int, following: Callable[[int], list[int]]) -> Iterator[int]:
    """The keys that follow `start`, some at a time: each time those that follow the last."""
    keys = [start]
    while keys:
        keys = following(keys[-1])
        yield from keys


def _queued(reader: apsw.Connection, queue: str, states: set[State], now: float) -> list[int]:
    """The keys of a queue's queued jobs in these states; no more than _FEW of either kind."""
    keys: list[int] = []
    since, until = now, now
    if "ready" in states:
        since = -math.inf  # jobs that are due and not yet promoted
        keys += [key for (key,) in rows_of(reader, "ready", queue=queue, count=_FEW)]
    if not states.isdisjoint(WAITING):
        until = math.inf
    rows = rows_of(reader, "waiting_keys", queue=queue, since=since, until=until, count=_FEW)
    return keys + [key for (key,) in rows]


def _bounds(reader: apsw.Connection, wanted: Wanted) -> tuple[int, int]:
    """The keys between which jobs may match: [low, high)."""
    low, high = 0, _LATEST
    if wanted.accepted is not None:
        low = _key_at(reader, wanted.accepted[0] - _SLACK)
    # No job ends before it is accepted.
    ends = [span[1] for span in (wanted.accepted, wanted.ended) if span is not None]
    if ends:
        high = _key_at(reader, min(ends) + _SLACK)
    return low, high


def _key_at(reader: apsw.Connection, at: float) -> int:
    """The first key whose job was accepted at `at` or later, if keys are in the order of time."""
    low, high = 0, int(value_of(reader, "newest_key")) + 1
    while low < high:
        middle = (low + high) // 2
        row = row_of(reader, "accepted_from", key=middle)
        key, accepted_at = row or (middle, at)
        if accepted_at >= at:
            high = middle
        else:
            low = key + 1
    return low


def _glances(reader: apsw.Connection, keys: Sequence[int], wanted: Wanted) -> list[Glance]:
    """The matching jobs among these keys, newest first."""
    accepted = wanted.accepted or (-math.inf, math.inf)
    ended = wanted.ended or (None, None)
    rows = rows_of(
        reader, "glance", keys=json.dumps(keys), cut=_CUT, now=wanted.now,
        lost=json.dumps(tuple(wanted.lost)),
        pattern=_like(wanted.text) if wanted.text else None,
        states=json.dumps(tuple(wanted.states)) if wanted.states else None,
        tasks=json.dumps(tuple(wanted.tasks)) if wanted.tasks else None,
        accepted_from=accepted[0], accepted_until=accepted[1],
        ended_from=ended[0], ended_until=ended[1],
    )  # fmt: skip
    return sorted(map(_glance, rows), key=lambda job: -job.key)


def _by_id(reader: apsw.Connection, wanted: Wanted) -> list[Glance]:
    prefix = wanted.text.lower()
    if len(prefix) < _SHORTEST_PREFIX or not set(prefix) <= set("0123456789abcdef"):
        return []
    rows = rows_of(reader, "keys_by_id", prefix=prefix, count=_BY_ID)
    found = _glances(reader, [key for (key,) in rows], wanted._replace(text=""))
    return [job for job in found if not wanted.queues or job.queue in wanted.queues]


def _like(text: str) -> str:
    """The LIKE pattern that finds exactly this text."""
    for char in "\\%_":
        text = text.replace(char, "\\" + char)
    return f"%{text}%"


def _glance(row: Row) -> Glance:
    *glance, current, total, percent, message, reported, task, overdue = shown(row)
    said = None if reported is None else Progress(current, total, percent, message)
    return Glance._make([*glance, said, task, bool(overdue)])
