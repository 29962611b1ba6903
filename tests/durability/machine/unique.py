"""What `test_machine` does with unique keys."""

from __future__ import annotations

import math

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from sprag.queue.store.tickets import Options
from tests.durability.machine.model import pick
from tests.durability.machine.world import QUEUE, World


class UniqueKeys(World):
    """A world in which callers enqueue what may be there already."""

    @rule(
        who=pick,
        key=st.sampled_from("ab"),
        hold=st.sampled_from([("queued", None), ("unfinished", None), (None, 3.0)]),
    )
    @precondition(lambda self: len(self.jobs) < 15)
    def enqueue_unless_the_key_is_held(
        self, who: int, key: str, hold: tuple[str | None, float | None]
    ) -> None:
        store, now = self._any_store(who), self.clock.now
        for job in self.jobs.values():
            if job.key == key and job.key_until <= now:
                job.key = None
        holder = next((job.id for job in self.jobs.values() if job.key == key), None)
        [id_] = self._new_ids(1)
        options = Options(QUEUE, unique_for=hold[0], unique_seconds=hold[1])
        [found] = store.enqueue_each(options, [id_], ["{}"], [key])
        assert (found.id, found.existing) == (holder or id_, holder is not None)
        assert found.unique == key
        if holder is None:
            self._accepted(id_, Options(QUEUE))
            job = self.jobs[id_]
            job.key, job.key_for = key, hold[0]
            job.key_until = math.inf if hold[1] is None else now + hold[1]
