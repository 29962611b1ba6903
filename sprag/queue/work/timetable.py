"""The schedules of the queues that a process runs: whose slot comes next, and its enqueuing.

The keeper's thread does this. What was the last slot is in the file; each enqueuing is one
transaction that also moves it on, so of several processes that see a slot's time come, one
enqueues its job and the others find that it is done.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from .. import errors
from ..ids import ids_inside
from ..schedules import Schedule
from ..store.schedules import Due, Scheduled, Standing
from ..store.store import Store
from ..threads.logs import Log

log: Final = Log("sprag.queue")

LATE_SECONDS: Final = 60.0
"""A slot that is later is one that was missed."""
_RETRY_SECONDS: Final = 1.0


class Timetable:
    """`take` and `drop` are for the queues' starts and stops, the rest for the keeper's thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        # Each use is one step of C code, so there is no lock to it.
        self._queues: dict[object, _OfQueue] = {}

    def take(
        self,
        who: object,
        queue: str,
        schedules: Sequence[tuple[Schedule, Standing]],
        max_queued: int | None,
    ) -> None:
        """Enqueue the slots of these schedules from now on, until `drop` of the same `who`."""
        if schedules:
            self._queues[who] = _OfQueue(self._store, queue, schedules, max_queued)

    def drop(self, who: object) -> None:
        """Enqueue no more of what `who` has brought, and leave it to other processes."""
        of_queue = self._queues.pop(who, None)
        if of_queue is not None:
            of_queue.leave()

    def changed(self) -> None:
        """Take note of a commit: somebody may have enqueued a slot, or paused a schedule."""
        for of_queue in tuple(self._queues.values()):
            of_queue.look_at = -math.inf

    def look(self, owner: int) -> None:
        """Enqueue what is due. This process is the `owner` of what it runs."""
        if not self._queues:
            return
        now = self._store.clock()
        for of_queue in tuple(self._queues.values()):
            if now >= of_queue.look_at:
                of_queue.look(owner, now)


class _OfQueue:
    """The schedules of one queue as its class has them."""

    def __init__(
        self,
        store: Store,
        queue: str,
        schedules: Sequence[tuple[Schedule, Standing]],
        max_queued: int | None,
    ) -> None:
        self.look_at = -math.inf
        """When there is something to do, in unix seconds."""
        self._store = store
        self._queue = queue
        self._schedules = {standing.name: schedule for schedule, standing in schedules}
        self._standing = tuple(standing for _, standing in schedules)
        self._max_queued = max_queued
        self._owner: int | None = None
        self._starting = True
        self._left = False
        self._next: dict[str, tuple[float, float | None]] = {}
        """By name: the last slot, and the one after it."""
        self._told: dict[str, float] = {}
        self._full: dict[str, float] = {}
        """By name: the slots that were reported as missed, or for which there was no room."""

    def look(self, owner: int, now: float) -> None:
        """Enqueue what is due, and find out when the next slot comes."""
        self.look_at = now + _RETRY_SECONDS  # if anything fails, or there is no room
        self._owner = owner
        rows = self._settled(owner)
        due = self._due(rows, now)
        if due:
            full = self._store.schedules.enqueue(self._queue, due, self._max_queued)
            if full:
                self._report_full([slot for slot in due if slot.name in full])
                return
            rows = self._read()
        slots = [self._slot_after(*ours) for ours in self._ours(rows)]
        self.look_at = min((slot for slot in slots if slot is not None), default=math.inf)

    def leave(self) -> None:
        """Let other processes know that this one no longer has them."""
        self._left = True
        if self._owner is not None:
            with suppress(errors.DatabaseError):  # the process says so, too, when it ends
                self._store.schedules.leave(self._queue, self._owner)

    def _settled(self, owner: int) -> dict[str, Scheduled]:
        """The schedules as the file has them, once it knows ours."""
        rows = self._read()
        if self._is_unsettled(rows):
            self._store.schedules.settle(
                self._queue, owner, self._standing, starting=self._starting,
                still=lambda: not self._left,
            )  # fmt: skip
            rows = self._read()
        self._starting = False
        return rows

    def _is_unsettled(self, rows: dict[str, Scheduled]) -> bool:
        ours = {one.name: one for one in self._standing}
        if not ours.keys() <= rows.keys() or not all(row.alive for row in rows.values()):
            return True
        return self._starting and any(
            one != (row.name, row.definition, row.item, row.options)
            for name, one in ours.items()
            for row in (rows[name],)
        )

    def _read(self) -> dict[str, Scheduled]:
        return {row.name: row for row in self._store.schedules.all(self._queue)}

    def _ours(self, rows: dict[str, Scheduled]) -> list[tuple[Schedule, Scheduled]]:
        """Those of our schedules that are not paused. If another process has redefined one, its
        slots are for that process, and for those that know it so."""
        return [
            (self._schedules[one.name], row)
            for one in self._standing
            if (row := rows.get(one.name)) is not None
            and row.definition == one.definition
            and row.pause is None
        ]

    def _slot_after(self, schedule: Schedule, row: Scheduled) -> float | None:
        known = self._next.get(row.name)
        if known is None or known[0] != row.last_slot:
            known = row.last_slot, schedule.slots.after(row.last_slot)
            self._next[row.name] = known
        return known[1]

    def _due(self, rows: dict[str, Scheduled], now: float) -> list[Due]:
        """For each schedule whose time has come, its newest slot."""
        due = []
        for schedule, row in self._ours(rows):
            first = self._slot_after(schedule, row)
            slot = None
            if first is not None and first <= now:
                slot = schedule.slots.newest(row.last_slot, now)
            if slot is None:
                continue
            missed = now - slot > LATE_SECONDS
            skipped = missed and schedule.skips
            if missed and self._told.get(row.name) != slot:
                self._told[row.name] = slot
                log.info("schedule %r of queue %r: no process was there when it was due, %d s ago; "
                         "its job %s", row.name, self._queue, now - slot,
                         "is left out" if skipped else "is enqueued now")  # fmt: skip
            id_ = None if skipped else ids_inside(1)[0]
            due.append(Due(row.name, row.definition, slot, id_))
        return due

    def _report_full(self, slots: Sequence[Due]) -> None:
        for slot in slots:
            if self._full.get(slot.name) != slot.slot:
                self._full[slot.name] = slot.slot
                log.warning("schedule %r of queue %r: the queue is full (max_queued=%s), so its "
                            "job waits until there is room, or until its next slot replaces it",
                            slot.name, self._queue, self._max_queued)  # fmt: skip
