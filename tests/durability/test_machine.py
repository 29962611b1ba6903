"""Any sequence of what callers, workers, crashes, power cuts and recovery can do to one file.

Three owners with a connection each stand for three processes, which know different tasks: their
locks are real files, and one "dies" when its lock is closed without a word, as the kernel does. All
that they do to the disk is recorded, so that the power can be cut, also in the midst of the latest
step: then all of them are gone, and new ones open what a disk may have kept (see `_power.disk`).
After every step the model, the rows, the journal folded by sprag and the journal folded by the
oracle agree.

`SPRAG_MACHINE_EXAMPLES=3000` makes it a long run.
"""

from __future__ import annotations

import faulthandler
import os
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import apsw
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import _oracle as oracle
from _power.disk import MODELS
from _power.process import hurried
from sprag.queue import DatabaseError, IllegalMove, JobNotFound, QueueService
from sprag.queue.file.connections import Connections
from sprag.queue.states import MOVES, STATUSES, TERMINAL, Event, Folded, Status, fold, target
from sprag.queue.store import moves
from sprag.queue.store.tickets import Exchange, Options, Outcome
from tests.durability.machine.limits import TimeLimits
from tests.durability.machine.model import Model, pick
from tests.durability.machine.standing import LIFE, Standing
from tests.durability.machine.world import ERROR, QUEUE
from tests.support import examples

EXAMPLES = int(os.environ.get("SPRAG_MACHINE_EXAMPLES", str(examples(120))))
STEPS = 40
EVENTS: tuple[Event, ...] = tuple(dict.fromkeys(move.event for move in MOVES))


class QueueMachine(TimeLimits, Standing):
    # ------------------------------------------------------------ the caller

    @initialize()
    def some_jobs(self) -> None:
        self._enqueue(self.owners[0].store, self._new_ids(2), 0, 0.0, 2, 2)

    @rule(
        who=pick,
        count=st.integers(1, 3),
        priority=st.integers(-1, 1),
        delay=st.sampled_from([0.0, 0.0, 1.0, 5.0]),
        task=st.sampled_from([None, None, "old", "new", "of another program"]),
        max_attempts=st.integers(1, 3),
        max_crashes=st.integers(1, 2),
        known=st.none() | pick,
        gone=st.none() | pick,
    )
    @precondition(lambda self: len(self.jobs) < 15)
    def enqueue(
        self,
        who: int,
        count: int,
        priority: int,
        delay: float,
        task: str | None,
        max_attempts: int,
        max_crashes: int,
        known: int | None,
        gone: int | None,
    ) -> None:
        store = self._any_store(who)
        ids = self._new_ids(count)
        free = sorted({f"{n:032x}" for n in range(self.accepted)} - self.jobs.keys())
        if gone is not None and free:
            ids[0] = free[gone % len(free)]  # of a job that was pruned, or lost before its time
        if known is not None and self.jobs:
            ids.insert(known % (count + 1), self._pick(known).id)
        self._enqueue(store, ids, priority, delay, max_attempts, max_crashes, task)

    @rule(which=pick)
    @precondition(lambda self: self.jobs)
    def enqueue_again_under_the_same_id(self, which: int) -> None:
        job = self._pick(which)
        before = oracle.read(self.eye)
        self._caller_store().enqueue(Options(QUEUE), [job.id], ["{}"])
        assert oracle.read(self.eye) == before

    @rule(which=pick, who=pick)
    @precondition(lambda self: self.jobs)
    def cancel(self, which: int, who: int) -> None:
        job = self._pick(which)
        if who % 2:
            self._caller_store()
            said = self.caller.cancel(job.id).status
        else:
            said = self._any_store(who).cancel(job.id)[1].status
        if job.status == "queued":
            self._moved(job, "cancel")
        elif job.status == "running":
            self._moved(job, "cancel", ends_run=False)
        assert said == job.status

    @rule(which=pick)
    @precondition(lambda self: self.jobs)
    def requeue(self, which: int) -> None:
        job = self._pick(which)
        self._caller_store()
        if job.status in ("failed", "cancelled"):
            assert self.caller.requeue(job.id).status == "queued"
            self._moved(job, "requeue")
            job.waiting, job.due_at = False, self.clock.now
        else:
            with pytest.raises(IllegalMove):
                self.caller.requeue(job.id)

    @rule(keep=st.integers(0, 5))
    def prune_by_count(self, keep: int) -> None:
        ended = sorted(self._in(*TERMINAL), key=lambda job: -job.order)
        self._caller_store()
        self._pruned(self.caller.prune(keep=keep), ended[keep:])

    @rule(age=st.sampled_from([0.0, 2.0, 10.0]))
    def prune_by_age(self, age: float) -> None:
        before = self.clock.now - age
        old = [job for job in self._in(*TERMINAL) if job.moved_at < before]
        self._caller_store()
        self._pruned(self.caller.prune(older_than=age), old)

    def _pruned(self, count: int, expected: Sequence[Model]) -> None:
        highest = max((job.order for job in self.jobs.values()), default=0)
        gone = [job for job in expected if job.id != self.newest and job.order != highest]
        assert count == len(gone)
        for status in STATUSES:  # those of each are deleted in a transaction
            those = [job for job in gone if job.status == status]
            for job in those:
                del self.jobs[job.id]
            if those:
                self._between()

    # ------------------------------------------------------------ workers

    @rule(who=pick)
    @precondition(lambda self: self._living())
    def start(self, who: int) -> None:
        owner = self._pick_owner(who)
        if self._ready(owner):
            self._started(owner, self._exchange(owner, None))
        else:  # an exchange would wait
            claim = (QUEUE, 3, owner.id, owner.claims)
            assert owner.store._write(lambda db, now: moves.claim(db, now, *claim)) == []

    @rule(which=pick, percent=st.integers(0, 100))
    @precondition(lambda self: self._run())
    def progress(self, which: int, percent: int) -> None:
        owner, run = self._pick_run(which)
        owner.store.report(owner.id, [(run.key, run.starts, None, None, float(percent), "so far")])
        self.jobs[run.id].progress = float(percent)

    @rule(which=pick, what=pick, wait=st.sampled_from([0.0, 3.0]), reported=st.booleans())
    @precondition(lambda self: self._run())
    def end(self, which: int, what: int, wait: float, reported: bool) -> None:
        owner, run = self._pick_run(which)
        outcome = self._outcome(run, what, wait, reported)
        assert owner.store.finish(owner.id, [outcome]) == 1
        self._ended(outcome)

    @rule(which=pick, what=pick, wait=st.sampled_from([0.0, 3.0]))
    @precondition(lambda self: self._run())
    def end_and_start_the_next(self, which: int, what: int, wait: float) -> None:
        owner, run = self._pick_run(which)
        outcome = self._outcome(run, what, wait, False)
        # The next one may be the same job: what this move makes ready counts.
        ready_again = outcome.event in ("retry", "release") and not (
            outcome.due_at is not None and outcome.due_at > self.clock.now
        )
        ready_again = ready_again and self.jobs[run.id].status == "running"
        more = bool(self._ready(owner)) or (ready_again and not self.besides.paused)
        following = self._exchange(owner, outcome, wanted=more)
        self._ended(outcome)
        if more:
            self._started(owner, following)

    @rule(which=pick, event=st.sampled_from(["complete", "fail", "retry", "release", "confirm"]))
    @precondition(lambda self: self.stale)
    def a_stale_worker_s_word_is_refused(self, which: int, event: Event) -> None:
        stale = self.stale[which % len(self.stale)]
        result = "1" if event == "complete" else None
        error = ERROR if event in ("fail", "retry") else None
        report = (stale.run.key, stale.run.starts, None, None, 1.0, "stale")
        outcome = Outcome(stale.run, event, result, error, report=report)
        before = oracle.read(self.eye)
        assert stale.owner.store.finish(stale.owner.id, [outcome]) == 0
        ticket = Exchange(QUEUE, stale.owner.id)
        stale.owner.store.dismiss([ticket])
        assert stale.owner.store.exchange(ticket, outcome) is None
        assert ticket.refused
        after = oracle.read(self.eye)
        assert after == before, "and it left its progress"

    @rule(which=pick)
    @precondition(lambda self: any(job.status == "running" for job in self._run()))
    def a_run_nobody_asked_to_cancel_cannot_confirm(self, which: int) -> None:
        job = self._among([job for job in self._run() if job.status == "running"], which)
        assert job.owner is not None
        with pytest.raises(DatabaseError):
            job.owner.store.finish(job.owner.id, [Outcome(job.owner.runs[job.id], "confirm")])

    # ------------------------------------------------------------ time, death, recovery

    @rule(seconds=st.sampled_from([0.5, 2.0, 6.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule(who=pick)
    def promote(self, who: int) -> None:
        due = [job for job in self._in("queued") if job.waiting and job.due_at <= self.clock.now]
        assert self._any_store(who).promote(QUEUE) == len(due)
        for job in due:
            job.waiting = False

    @rule(who=pick)
    @precondition(lambda self: self._living())
    def an_owner_dies(self, who: int) -> None:
        owner = self._pick_owner(who)
        owner.die()
        self.dead.append(owner)

    @rule(who=pick)
    @precondition(lambda self: self._living())
    def a_sibling_recovers(self, who: int) -> None:
        sibling = self._pick_owner(who)
        lost = [job for job in self._held() if job.owner in self.dead]
        sibling.recovery.refresh()
        recovered = sibling.recovery.sweep()
        assert recovered == len(lost), f"{recovered} of {len(lost)} jobs of the dead recovered"
        for owner in sorted(self.dead, key=lambda owner: owner.id):
            self._recovered([job for job in lost if job.owner is owner])
            self._between()
        for owner in self.dead:
            if owner in self.owners:
                self._replace(owner)
        self.dead.clear()
        left = oracle.read(self.eye).owners - {owner.id for owner in self.owners}
        assert not left, f"owners {left} are dead and still known"

    @rule(who=pick)
    @precondition(lambda self: self._living())
    def an_owner_leaves(self, who: int) -> None:
        owner = self._pick_owner(who)
        self._left(owner)
        self._replace(owner)

    @rule()
    def the_caller_closes_and_opens_the_file(self) -> None:
        self.caller.stop()

    @rule()
    @precondition(lambda self: self.steps > LIFE)
    def all_leave_and_others_open_the_file(self) -> None:
        for owner in self._living():
            self._left(owner)
            self._between()
        self._close()
        self._open()

    @rule(how=st.sampled_from(list(MODELS)), seed=pick)
    @precondition(lambda self: self.steps > LIFE)
    def the_power_is_cut(self, how: str, seed: int) -> None:
        self._cut(self.past.end, how, seed)

    @rule(how=st.sampled_from(list(MODELS)), seed=pick, where=pick)
    @precondition(lambda self: self.steps > LIFE)
    def the_power_was_cut_during_the_latest_step(self, how: str, seed: int, where: int) -> None:
        self._cut(self.past.midway(where), how, seed)

    @rule()
    def a_process_dies_inside_a_transaction(self) -> None:
        connection = apsw.Connection(str(self.host.path), vfs=self.host.vfs)
        # A small cache, so that some of it is written before there is a COMMIT.
        connection.execute("PRAGMA cache_size = 1; PRAGMA cache_spill = 1").fetchall()
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(
            "INSERT INTO job (queue, item) VALUES (?, json_quote(hex(zeroblob(20000))))", (QUEUE,)
        )
        for job in self._in("queued")[:1]:
            connection.execute(
                "UPDATE job SET status = 'cancelled', event = 'cancel' WHERE id = ?", (job.id,)
            )
        connection.close()

    # ------------------------------------------------------------ what must not be possible

    @rule(which=pick, event=st.sampled_from(EVENTS), status=st.sampled_from(STATUSES))
    @precondition(lambda self: self.jobs)
    def no_other_edge_can_be_written(self, which: int, event: Event, status: Status) -> None:
        job = self._pick(which)
        if target(job.status, event) == status:
            return
        if target(job.status, event) is None:
            with pytest.raises(ValueError, match="no move"):
                fold(Folded(job.status), event)
        with pytest.raises(apsw.ConstraintError):
            # Everything else is as the event would have it, so that only the edge is wrong.
            self.eye.execute(
                """
                UPDATE job SET status = :status, event = :event,
                    attempt = CASE :event WHEN 'start' THEN attempt + 1
                        WHEN 'release' THEN attempt - 1 WHEN 'requeue' THEN 0 ELSE attempt END,
                    starts = starts + (:event = 'start'),
                    crashes = CASE WHEN :event IN ('recover', 'lose') THEN crashes + 1
                        WHEN :event = 'requeue' THEN 0 ELSE crashes END,
                    owner = iif(:status IN ('running', 'cancelling'), coalesce(owner, 1), NULL),
                    result = iif(:status = 'completed', '1', NULL)
                WHERE id = :id
                """,
                {"status": status, "event": event, "id": job.id},
            )

    @rule(which=pick)
    @precondition(lambda self: any(self._in("queued", "running", "cancelling")))
    def nobody_deletes_a_job_that_has_not_ended(self, which: int) -> None:
        job = self._among(self._in("queued", "running", "cancelling"), which)
        with pytest.raises(apsw.ConstraintError):
            self.eye.execute("DELETE FROM job WHERE id = ?", (job.id,))

    # ------------------------------------------------------------ what must hold

    @invariant()
    def the_file_keeps_the_rules(self) -> None:
        assert oracle.audit(self.eye, integrity=False) == []

    @invariant()
    def the_rows_are_the_model(self) -> None:
        assert self._rows(self.eye) == {job.id: job.row for job in self.jobs.values()}
        self._rest()

    @invariant()
    def the_queue_s_own_view_is_the_model(self) -> None:
        self._caller_store()
        for job in self.jobs.values():
            seen = self.caller.get(job.id)
            assert (seen.status, seen.attempt, seen.crashes, seen.task) == (
                job.status, job.attempt, job.crashes, job.task,
            )  # fmt: skip
            assert (seen.progress.percent if seen.progress else None) == job.progress
            folded = reduce(
                lambda before, move: fold(before, move.event, move.owner),
                self.caller.history(job.id),
                None,
            )
            owner = job.owner.id if job.owner is not None else None
            assert folded == Folded(job.status, job.attempt, job.starts, job.crashes, owner)
        newest_first = sorted(self.jobs.values(), key=lambda job: -job.order)
        assert [job.id for job in self.caller.jobs(limit=1000)] == [j.id for j in newest_first]
        assert self.caller.counts() == {word: len(self._in(word)) for word in STATUSES}

    def teardown(self) -> None:
        try:
            if self.in_use:  # or what was found after a power cut is the failure
                self._look_at_the_end()
        finally:
            self._close()
            self.host.close()

    def _look_at_the_end(self) -> None:
        assert oracle.audit(self.eye) == []
        other = QueueService(
            name="other", database=self.host.path, durability=self.durability, vfs=self.host.vfs
        )
        for id_ in self.jobs:
            with pytest.raises(JobNotFound):
                other.get(id_)
            break
        other.stop()


class HastyQueueMachine(QueueMachine):
    """With "normal" durability, a power cut may take the latest moves, but none from between."""

    durability = "normal"


def run(machine: type[QueueMachine], **options: Any) -> None:
    # A long run, or the search for the shortest history that fails, takes longer than a test may.
    # No step waits without end.
    faulthandler.cancel_dump_traceback_later()
    with hurried(pages=60):
        run_state_machine_as_test(
            machine,
            settings=settings(
                stateful_step_count=STEPS,
                deadline=None,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
                **options,
            ),
        )


def test_whatever_happens_model_rows_and_journal_agree() -> None:
    run(QueueMachine, max_examples=EXAMPLES)


def test_whatever_happens_in_haste_what_is_left_is_what_once_was() -> None:
    run(HastyQueueMachine, max_examples=EXAMPLES // 3)


def unsynced_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    settle = Connections.settle

    def planted(self: Connections, connection: apsw.Connection) -> None:
        settle(self, connection)
        connection.execute("PRAGMA synchronous = NORMAL")

    monkeypatch.setattr(Connections, "settle", planted)


def unsynced_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sprag.queue.liveness.owners.sync_folder", lambda folder: None)


@pytest.mark.parametrize(
    ("plant", "wanted"),
    [
        (unsynced_commits, "the power was cut, and left|are dead and still known"),
        (unsynced_locks, "of the dead recovered|are dead and still known"),
    ],
)
def test_what_is_not_synced_is_missed(
    plant: Callable[[pytest.MonkeyPatch], None], wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    with pytest.raises(AssertionError, match=wanted):
        # The first failure is enough, and need not be short.
        run(
            QueueMachine, max_examples=1000, phases=[Phase.generate], database=None,
            report_multiple_bugs=False,
        )  # fmt: skip
