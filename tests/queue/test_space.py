"""Space that is set aside for a full disk: whoever needs it gets it."""

from __future__ import annotations

import pytest

from sprag.queue import DatabaseFull
from sprag.queue.service import life_of
from sprag.queue.work import space as space_module
from tests.conftest import MakeQueue


def test_what_was_spent_is_not_taken_back_from_the_write_that_needs_it(
    make_queue: MakeQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(space_module, "SECONDS", 3600.0)
    space = life_of(make_queue().start()).open().space
    assert space.spend()
    space.restore(())  # as the keeper does at its next look
    assert space.in_use
    monkeypatch.setattr(space_module, "SECONDS", 0.0)
    space.restore(())
    assert not space.in_use


def test_a_write_may_spend_again_what_was_set_aside_again_meanwhile(
    make_queue: MakeQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(space_module, "SECONDS", 0.0)
    space = life_of(make_queue().start()).open().space
    tries: list[int] = []

    def write() -> str:
        tries.append(len(tries))
        if len(tries) < 3:
            space.restore(())  # which finds room just then
            raise DatabaseFull("full", "jobs.db")
        return "written"

    assert space.for_certain(write) == "written"
    assert tries == [0, 1, 2]


def test_a_write_that_finds_no_room_with_all_of_it_fails(make_queue: MakeQueue) -> None:
    space = life_of(make_queue().start()).open().space
    tries: list[int] = []

    def write() -> None:
        tries.append(1)
        raise DatabaseFull("full", "jobs.db")

    with pytest.raises(DatabaseFull):
        space.for_certain(write)
    assert tries == [1, 1]
