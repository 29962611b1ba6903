"""What the jobs of `test_machine` must be, and what they were at every moment before."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Self

import apsw
from hypothesis import strategies as st

from sprag.queue.states import OWNED, TERMINAL, Event, Status, target
from sprag.queue.store.tickets import Run
from tests.durability.machine.host import Owner

Row = tuple[str, int, int, int, int | None, bool, float | None, str | None, bool, tuple[str, ...]]
"""status, attempt, crashes, starts, owner, waiting, percent of progress, unique key, whether it is
over its time limit, events."""


# Which of the candidates a step is about.
pick = st.integers(min_value=0, max_value=1000)


@dataclass(frozen=True)
class Stale:
    """A run that is over, or that was taken from its owner."""

    owner: Owner
    run: Run


@dataclass
class Model:
    """What a job must be."""

    id: str
    order: int
    priority: int
    max_attempts: int
    max_crashes: int
    due_at: float
    waiting: bool
    moved_at: float
    status: Status = "queued"
    attempt: int = 0
    crashes: int = 0
    starts: int = 0
    owner: Owner | None = None
    events: list[str] = field(default_factory=lambda: ["enqueue"])
    progress: float | None = None
    task: str | None = None
    overdue: int = 0
    key: str | None = None
    key_for: str | None = None
    key_until: float = math.inf

    def move(self, event: Event, now: float, owner: Owner | None = None) -> None:
        """Take a move that must be possible; `owner` is who starts it."""
        to = target(self.status, event)
        assert to is not None
        self.events.append(event)
        self.status = to
        self.moved_at = now
        match event:
            case "start":
                self.attempt += 1
                self.starts += 1
                self.progress = None
            case "release":
                self.attempt -= 1
            case "recover" | "lose":
                self.crashes += 1
            case "requeue":
                self.attempt = self.crashes = 0
            case _:
                pass
        if event != "cancel":
            self.owner = owner
        if event == "requeue" or self.is_past(self.key_for):
            self.key = None

    def is_past(self, state: str | None) -> bool:
        """True if a key that is held for this state is held no longer."""
        if state == "queued":
            return self.status != "queued"
        return state == "unfinished" and self.status in TERMINAL

    @property
    def row(self) -> Row:
        """What the file must say of it."""
        return (
            self.status, self.attempt, self.crashes, self.starts,
            self.owner.id if self.owner is not None else None,
            self.waiting and self.status == "queued", self.progress, self.key,
            self.overdue == self.starts > 0 and self.status in OWNED, tuple(self.events),
        )  # fmt: skip


@dataclass(frozen=True)
class Besides:
    """What the file must say besides its jobs: whether the queue is paused; the last slot of its
    schedule, None if it has none yet, and whether that is paused."""

    paused: bool = False
    slot: float | None = None
    slot_paused: bool = False

    @classmethod
    def of(cls, connection: apsw.Connection) -> Self:
        """What the file says."""
        paused = connection.execute("SELECT count(*) FROM pause").get
        rows: list[Any] = connection.execute("SELECT last_slot, paused_at FROM schedule").fetchall()
        assert len(rows) < 2
        slot, since = rows[0] if rows else (None, None)
        return cls(bool(paused), slot, since is not None)


@dataclass(frozen=True)
class State:
    """All jobs as they were after some transaction, and which one moved last.

    It can be on the disk once the log is longer than `since`, and is there for certain once the
    log has the length `told`: whoever wrote it has heard so. Only what is `lasting` was promised
    to outlive a power cut.
    """

    jobs: dict[str, Model]
    newest: str | None
    besides: Besides
    since: int
    told: float
    lasting: bool

    @property
    def rows(self) -> dict[str, Row]:
        """What a file in this state must say."""
        return {id_: job.row for id_, job in self.jobs.items()}

    def copy(self) -> dict[str, Model]:
        """The jobs, to go on with."""
        return _copied(self.jobs.values())


class Past:
    """The states since the power came, the first of which was there when the log was `begin`
    long."""

    def __init__(
        self, jobs: Iterable[Model], newest: str | None, besides: Besides, begin: int
    ) -> None:
        self._begin = self._end = begin
        self._states = [State(_copied(jobs), newest, besides, -1, begin, True)]

    def between(self, jobs: Iterable[Model], newest: str | None, besides: Besides) -> None:
        """A step has more than one transaction, and this is what one but the last left."""
        self._states.append(State(_copied(jobs), newest, besides, self._end, math.inf, False))

    def rest(
        self, jobs: Iterable[Model], newest: str | None, besides: Besides, end: int, *,
        lasting: bool,
    ) -> None:  # fmt: skip
        """A step is over, and the log `end` long."""
        if end > self._end:
            self._states.append(State(_copied(jobs), newest, besides, self._end, end, lasting))
            self._begin, self._end = self._end, end

    @property
    def end(self) -> int:
        """How long the log was when the latest step was over."""
        return self._end

    def midway(self, where: int) -> int:
        """A length of the log within the latest step that wrote anything: every other time just
        before its last entry, which is the sync as a rule."""
        inside = range(self._begin + 1, self._end) or [self._end]
        return inside[-1 if where % 2 else where // 2 % len(inside)]

    def possible(self, point: int, *, promised: bool) -> list[State]:
        """What may be found after a cut there; `promised`, where not only what was lasting was."""
        sure = max(
            n for n, state in enumerate(self._states)
            if state.told <= point and (promised or state.lasting)
        )  # fmt: skip
        return [state for state in self._states[sure:] if state.since < point]


def _copied(jobs: Iterable[Model]) -> dict[str, Model]:
    return {job.id: replace(job, events=list(job.events)) for job in jobs}
