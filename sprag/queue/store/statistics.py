"""How many jobs there are, how fast they come and end, and how long they take: numbers that are
read in bounded time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import apsw

from ..file.database import Database
from ..states import OWNED, TERMINAL, Event, Status
from ..threads.inside import here
from .glances import STATES, State
from .rows import queue_names, rows_of, value_of


class Tally(NamedTuple):
    """How many jobs of a queue are in each state. Of the states in `at_least` there may be more:
    counting stopped."""

    counts: dict[State, int]
    at_least: frozenset[State]


class Run(NamedTuple):
    """How long a job was ready before it started, and how long it ran, in seconds."""

    waited: float
    ran: float


class Made(NamedTuple):
    """How many moves of one kind a queue made in one slot of time."""

    slot: int
    queue: str
    event: Event
    moves: int


class Statistics:
    """Numbers of one `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def tallies(self, lost: Sequence[int], now: float, most: int = 30_000) -> dict[str, Tally]:
        """Count jobs by queue and state. In each state, no more than the queue's share of `most`
        are counted, or a fifth of that if each job must be read. `lost` names the owners that are
        dead; `now` divides what is due from what waits."""
        with here.inside, self._database.snapshot() as reader:
            queues = queue_names(reader)
            share = _rounded(most // max(len(queues), 1))
            return {queue: _tally(reader, queue, set(lost), now, share) for queue in queues}

    def lost(self, owners: Sequence[int], queue: str) -> dict[Status, int]:
        """How many jobs of the queue these owners run, by status: running and cancelling."""
        with here.inside, self._database.snapshot() as reader:
            return {s: _running(reader, queue, s, set(owners))[1] for s in sorted(OWNED)}

    def runs(self, window: int = 10_000, count: int = 1_000) -> dict[str, list[Run]]:
        """The last `count` runs of each queue that completed or failed, the latest first, among
        the `window` newest transitions."""
        found: dict[str, list[Run]] = {}
        with here.inside, self._database.reading() as reader:
            for queue, waited, ran in rows_of(reader, "runs", window=window):
                of_queue = found.setdefault(queue, [])
                if len(of_queue) < count:
                    of_queue.append(Run(max(waited, 0.0), max(ran, 0.0)))
        return found

    def rates(self, since: float, window: int = 100_000) -> dict[str, dict[Event, int]]:
        """Moves since `since`, by queue and event, among the `window` newest transitions."""
        found: dict[str, dict[Event, int]] = {}
        with here.inside, self._database.reading() as reader:
            for name, event, count in rows_of(reader, "rates", since=since, window=window):
                found.setdefault(name, {})[event] = count
        return found

    def moves(self, after: int, until: int, events: Sequence[Event], width: float) -> list[Made]:
        """The moves of these events among the transitions after `after` up to `until`, by the
        `width` seconds in which they were made, numbered from the epoch."""
        with here.inside, self._database.reading() as reader:
            rows = rows_of(
                reader, "moves", after=after, until=until, width=width, events=json.dumps(events)
            )
            return [Made._make(row) for row in rows]

    def moved_at(self, seq: int) -> float | None:
        """When the first transition from `seq` on was made; None if there is none."""
        with here.inside, self._database.reading() as reader:
            at = value_of(reader, "moved_at", seq=seq)
            return None if at is None else float(at)

    def window_start(self, window: int = 100_000) -> float | None:
        """When the oldest of the `window` newest transitions was made; None without any."""
        with here.inside, self._database.reading() as reader:
            at = value_of(reader, "window_start", window=window)
            return None if at is None else float(at)


def percentile(values: Iterable[float], share: float) -> float | None:
    """The smallest value such that at least `share` of all values are not larger; None if there
    are no values."""
    ordered = sorted(values)
    if not ordered:
        return None
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def _rounded(count: int) -> int:
    """Round `count` down to one digit and zeros, as in 4000; at least 5."""
    first, rest = str(count)[0], str(count)[1:]
    return max(int(first + "0" * len(rest)), 5)


def _tally(reader: apsw.Connection, queue: str, lost: set[int], now: float, most: int) -> Tally:
    counts = dict.fromkeys(STATES, 0)
    at_least: set[State] = set()
    ((ready, overdue),) = rows_of(reader, "count_ready", queue=queue, now=now, most=most)
    counts["ready"] = ready + overdue
    most_waiting = max(most // 5, 1)
    ((looked, retrying),) = rows_of(
        reader, "count_waiting", queue=queue, now=now, most=most_waiting
    )
    counts["retrying"], counts["scheduled"] = retrying, looked - retrying
    if max(ready, overdue) >= most:
        at_least.add("ready")
    if looked >= most_waiting:
        at_least.update(("scheduled", "retrying"))
    for status in sorted(OWNED):
        counts[_as_state(status)], gone = _running(reader, queue, status, lost)
        counts["lost"] += gone
    for status in sorted(TERMINAL):
        counts[_as_state(status)] = value_of(
            reader, "count_status", queue=queue, status=status, most=most
        )
        if counts[_as_state(status)] >= most:
            at_least.add(_as_state(status))
    return Tally(counts, frozenset(at_least))


def _running(
    reader: apsw.Connection, queue: str, status: Status, lost: set[int]
) -> tuple[int, int]:
    """How many jobs other owners run, and how many the owners in `lost`."""
    rows = rows_of(reader, "count_running", queue=queue, status=status)
    gone = sum(number for owner, number in rows if owner in lost)
    return sum(number for _owner, number in rows) - gone, gone


def _as_state(status: Status) -> State:
    (state,) = (state for state, of in STATES.items() if of == (status,) and state == status)
    return state
