"""The rules of `test_machine` for what stands besides jobs: a pause, and a schedule."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import patch

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from _power.disk import MODELS
from sprag.queue import Every
from sprag.queue.options import Settings
from sprag.queue.store import moves
from sprag.queue.store.tickets import Options
from sprag.queue.tasks import Repertoire
from sprag.queue.threads.inside import here
from sprag.queue.work import timetable
from tests.durability.machine.model import Besides, pick
from tests.durability.machine.world import QUEUE, World

SECONDS = 4
SCHEDULE = Repertoire({}, handles=True).standing(
    Settings(name=QUEUE, schedules=(Every(seconds=SECONDS, name="tick"),))
)

# Steps from the opening of the file to the earliest power cut.
LIFE = 6


class Standing(World):
    # ------------------------------------------------------------ a pause

    @rule(who=pick)
    def pause(self, who: int) -> None:
        self._any_store(who).pauses.pause(QUEUE, "to see")
        self.besides = replace(self.besides, paused=True)

    @rule(who=pick)
    def resume(self, who: int) -> None:
        assert self._any_store(who).pauses.resume(QUEUE) == self.besides.paused
        self.besides = replace(self.besides, paused=False)

    @rule(who=pick)
    @precondition(lambda self: self.besides.paused and self._living())
    def nothing_starts_while_the_queue_is_paused(self, who: int) -> None:
        owner = self._pick_owner(who)
        for claim in (
            lambda connection, now: moves.claim(connection, now, QUEUE, 9, owner.id),
            lambda connection, _now: moves.claimable(connection, QUEUE, 9),
        ):
            assert owner.store._write(claim) == []

    # ------------------------------------------------------------ a schedule

    @rule(who=pick)
    @precondition(lambda self: self._living() and len(self.jobs) < 15)
    def an_owner_looks_at_its_schedule(self, who: int) -> None:
        owner = self._pick_owner(who)
        owner.timetable.take(owner, QUEUE, SCHEDULE, None)
        ids = self._new_ids(1)
        with here.inside, patch.object(timetable, "ids_inside", lambda _count: ids):
            owner.timetable.look(owner.id)
        now = self.clock.now
        if self.besides.slot is None:
            self.besides = replace(self.besides, slot=now)
            return
        slot = now // SECONDS * SECONDS
        if slot > self.besides.slot and not self.besides.slot_paused:
            self.besides = replace(self.besides, slot=slot)
            self._accepted(ids[0], Options(QUEUE))

    @rule(who=pick, how=st.sampled_from(list(MODELS)), seed=pick, where=pick)
    @precondition(lambda self: self.steps > LIFE and self._living() and len(self.jobs) < 15)
    def the_power_was_cut_at_a_slot(self, who: int, how: str, seed: int, where: int) -> None:
        """Of the slot and its job, both are there, or neither."""
        self.clock.now += SECONDS
        self.an_owner_looks_at_its_schedule(who)
        self._rest()
        self._cut(self.past.midway(where), how, seed)

    @rule(who=pick)
    def pause_the_schedule(self, who: int) -> None:
        there = self.besides.slot is not None
        assert self._any_store(who).schedules.pause(QUEUE, "tick", None) == there
        self.besides = replace(self.besides, slot_paused=there)

    @rule(who=pick)
    def resume_the_schedule(self, who: int) -> None:
        was, slot = self.besides.slot_paused, self.besides.slot
        assert self._any_store(who).schedules.resume(QUEUE, "tick") == was
        if was:
            assert slot is not None
            slot = max(slot, self.clock.now)
        self.besides = replace(self.besides, slot_paused=False, slot=slot)

    @invariant()
    def what_stands_besides_is_the_model(self) -> None:
        assert Besides.of(self.eye) == self.besides
