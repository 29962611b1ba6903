"""What `test_machine` does with time limits."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from sprag.queue.store.tickets import Options
from tests.durability.machine.model import pick
from tests.durability.machine.unique import UniqueKeys
from tests.durability.machine.world import QUEUE


class TimeLimits(UniqueKeys):
    """A world in which runs go on for too long."""

    @rule(who=pick, limit=st.sampled_from([0.5, 60.0]))
    @precondition(lambda self: len(self.jobs) < 15)
    def enqueue_with_a_limit(self, who: int, limit: float) -> None:
        [id_] = self._new_ids(1)
        options = Options(QUEUE, max_attempts=2, time_limit=limit)
        self._any_store(who).enqueue(options, [id_], ["{}"])
        self._accepted(id_, options)
        self._caller_store()
        assert self.caller.get(id_).time_limit == limit

    @rule(which=pick, late=pick)
    @precondition(lambda self: any(job.owner.alive for job in self._run()))
    def a_run_goes_on_past_its_limit(self, which: int, late: int) -> None:
        running = [job for job in self._run() if job.owner is not None and job.owner.alive]
        job = self._among(running, which)
        assert job.owner is not None
        run = job.owner.runs[job.id]
        runs = [(run.key, run.starts)]
        # And one that was over when it was written, or is another owner's.
        if self.stale:
            stale = self.stale[late % len(self.stale)].run
            runs.append((stale.key, stale.starts))
        job.owner.store.overdue(job.owner.id, runs)
        job.overdue = job.starts
