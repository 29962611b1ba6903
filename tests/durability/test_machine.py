"""Any sequence of what callers, workers, crashes and recovery can do to one real file.

Three owners with a connection each stand for three processes: their locks are real files, and
one "dies" when its lock is closed without a word, as the kernel does. After every step the
model, the rows, the journal folded by sprag and the journal folded by the oracle agree.

`SPRAG_MACHINE_EXAMPLES=3000` makes it a long run.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path

import apsw
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import _oracle as oracle
from sprag.queue import DatabaseError, IllegalMove, JobError, JobNotFound, QueueService
from sprag.queue.database import Database
from sprag.queue.ids import new_ids
from sprag.queue.journal import Journal
from sprag.queue.owners import OwnerLock
from sprag.queue.recovery import Recovery
from sprag.queue.states import MOVES, OWNED, STATUSES, TERMINAL, Event, Folded, Status, fold, target
from sprag.queue.tickets import Exchange, Options, Outcome, Run

EXAMPLES = int(os.environ.get("SPRAG_MACHINE_EXAMPLES", "120"))
STEPS = 40
QUEUE = "work"
EVENTS: tuple[Event, ...] = tuple(dict.fromkeys(move.event for move in MOVES))
ERROR = JobError("ValueError", "no")

# Which of the candidates a step is about.
pick = st.integers(min_value=0, max_value=1000)


class Clock:
    """Stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Owner:
    """As much of a process as runs jobs."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self.database = Database(str(path), "normal")
        self.journal = Journal(self.database, clock)
        folder = Path(f"{path}-sprag")
        self.lock = OwnerLock(folder)
        self.id = self.journal.add_owner(self.lock.token, os.getpid(), "host")
        self.recovery = Recovery(self.journal, folder, self.id)
        self.runs: dict[str, Run] = {}
        self.alive = True

    def die(self) -> None:
        """What the kernel does to the lock of a killed process, and nothing else."""
        assert self.lock._fd is not None
        os.close(self.lock._fd)
        self.lock._fd = None
        self.alive = False

    def close(self) -> None:
        self.database.close()
        if self.lock._fd is not None:
            self.die()


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


@dataclass(frozen=True)
class Stale:
    """A run that is over, or that was taken from its owner."""

    owner: Owner
    run: Run


class QueueMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="sprag-machine-"))
        self.path = self.folder / "jobs.db"
        self.clock = Clock()
        self.owners = [Owner(self.path, self.clock) for _ in range(3)]
        self.dead: list[Owner] = []
        self.gone: list[Owner] = []
        self.jobs: dict[str, Model] = {}
        self.stale: list[Stale] = []
        self.accepted = 0
        self.newest: str | None = None
        self.caller = QueueService(name=QUEUE, database=self.path, durability="normal")
        self.eye = apsw.Connection(str(self.path))

    # ------------------------------------------------------------ the caller

    @initialize()
    def some_jobs(self) -> None:
        self._enqueue(self.owners[0].journal, 2, 0, 0.0, 2, 2)

    @rule(
        who=pick,
        count=st.integers(1, 3),
        priority=st.integers(-1, 1),
        delay=st.sampled_from([0.0, 0.0, 1.0, 5.0]),
        max_attempts=st.integers(1, 3),
        max_crashes=st.integers(1, 2),
    )
    @precondition(lambda self: len(self.jobs) < 15)
    def enqueue(
        self,
        who: int,
        count: int,
        priority: int,
        delay: float,
        max_attempts: int,
        max_crashes: int,
    ) -> None:
        journal = self._any_journal(who)
        self._enqueue(journal, count, priority, delay, max_attempts, max_crashes)

    @rule(which=pick)
    @precondition(lambda self: self.jobs)
    def enqueue_again_under_the_same_id(self, which: int) -> None:
        job = self._pick(which)
        before = oracle.read(self.eye)
        self._caller_journal().enqueue(Options(QUEUE), [job.id], ["{}"])
        assert oracle.read(self.eye) == before

    @rule(which=pick, who=pick)
    @precondition(lambda self: self.jobs)
    def cancel(self, which: int, who: int) -> None:
        job = self._pick(which)
        if who % 2:
            self._caller_journal()
            said = self.caller.cancel(job.id).status
        else:
            row = self._any_journal(who).cancel(job.id)
            said = row[2] if row is not None else job.status
        if job.status == "queued":
            self._moved(job, "cancel")
        elif job.status == "running":
            self._moved(job, "cancel", ends_run=False)
        assert said == job.status

    @rule(which=pick)
    @precondition(lambda self: self.jobs)
    def requeue(self, which: int) -> None:
        job = self._pick(which)
        self._caller_journal()
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
        self._caller_journal()
        self._pruned(self.caller.prune(keep=keep), ended[keep:])

    @rule(age=st.sampled_from([0.0, 2.0, 10.0]))
    def prune_by_age(self, age: float) -> None:
        before = self.clock.now - age
        old = [job for job in self._in(*TERMINAL) if job.moved_at < before]
        self._caller_journal()
        self._pruned(self.caller.prune(older_than=age), old)

    # ------------------------------------------------------------ workers

    @rule(who=pick)
    @precondition(lambda self: self._living() and self._ready())
    def start(self, who: int) -> None:
        owner = self._pick_owner(who)
        self._started(owner, self._exchange(owner, None))

    @rule(which=pick, percent=st.integers(0, 100))
    @precondition(lambda self: self._held())
    def progress(self, which: int, percent: int) -> None:
        owner, run = self._pick_run(which)
        owner.journal.report(
            owner.id, [(run.key, run.starts, None, None, float(percent), "so far")]
        )
        self.jobs[run.id].progress = float(percent)

    @rule(which=pick, what=pick, wait=st.sampled_from([0.0, 3.0]), reported=st.booleans())
    @precondition(lambda self: self._held())
    def end(self, which: int, what: int, wait: float, reported: bool) -> None:
        owner, run = self._pick_run(which)
        outcome = self._outcome(run, what, wait, reported)
        assert owner.journal.finish(owner.id, [outcome]) == 1
        self._ended(outcome)

    @rule(which=pick, what=pick, wait=st.sampled_from([0.0, 3.0]))
    @precondition(lambda self: self._held())
    def end_and_start_the_next(self, which: int, what: int, wait: float) -> None:
        owner, run = self._pick_run(which)
        outcome = self._outcome(run, what, wait, False)
        # The next one may be the same job: what this move makes ready counts.
        ready_again = outcome.event in ("retry", "release") and not (
            outcome.due_at is not None and outcome.due_at > self.clock.now
        )
        more = bool(self._ready()) or (self.jobs[run.id].status == "running" and ready_again)
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
        assert stale.owner.journal.finish(stale.owner.id, [outcome]) == 0
        ticket = Exchange(QUEUE, stale.owner.id)
        stale.owner.journal.dismiss([ticket])
        assert stale.owner.journal.exchange(ticket, outcome) is None
        assert ticket.refused
        after = oracle.read(self.eye)
        assert after == before, "and it left its progress"

    @rule(which=pick)
    @precondition(lambda self: any(job.status == "running" for job in self._held()))
    def a_run_nobody_asked_to_cancel_cannot_confirm(self, which: int) -> None:
        job = self._among([job for job in self._held() if job.status == "running"], which)
        assert job.owner is not None
        with pytest.raises(DatabaseError):
            job.owner.journal.finish(job.owner.id, [Outcome(job.owner.runs[job.id], "confirm")])

    # ------------------------------------------------------------ time, death, recovery

    @rule(seconds=st.sampled_from([0.5, 2.0, 6.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule(who=pick)
    def promote(self, who: int) -> None:
        due = [job for job in self._in("queued") if job.waiting and job.due_at <= self.clock.now]
        assert self._any_journal(who).promote(QUEUE) == len(due)
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
        assert sibling.recovery.sweep() == len(lost)
        for job in lost:
            if job.status == "cancelling":
                self._moved(job, "confirm")
            else:
                self._moved(job, "lose" if job.crashes + 1 >= job.max_crashes else "recover")
            job.waiting, job.due_at = False, self.clock.now
        for owner in self.dead:
            self._replace(owner)
        self.dead.clear()

    @rule(who=pick)
    @precondition(lambda self: self._living())
    def an_owner_leaves(self, who: int) -> None:
        owner = self._pick_owner(who)
        held = [job for job in self._held() if job.owner is owner]
        assert sorted(owner.journal.leave(owner.id)) == sorted(job.id for job in held)
        owner.lock.release()
        for job in held:
            self._moved(job, "release" if job.status == "running" else "confirm")
        self._replace(owner)

    @rule()
    def the_caller_closes_and_opens_the_file(self) -> None:
        self.caller.stop()

    @rule(which=pick)
    def a_process_dies_inside_a_transaction(self, which: int) -> None:
        connection = apsw.Connection(str(self.path))
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO job (queue, item) VALUES (?, '1')", (QUEUE,))
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
        file = oracle.read(self.eye)
        assert set(file.jobs) == set(self.jobs)
        for job in self.jobs.values():
            row = file.jobs[job.id]
            owner = job.owner.id if job.owner is not None else None
            assert (row.status, row.attempt, row.crashes, row.starts, row.owner) == (
                job.status, job.attempt, job.crashes, job.starts, owner,
            )  # fmt: skip
            assert [move.event for move in row.moves] == job.events

    @invariant()
    def the_queue_s_own_view_is_the_model(self) -> None:
        self._caller_journal()
        for job in self.jobs.values():
            seen = self.caller.get(job.id)
            assert (seen.status, seen.attempt, seen.crashes) == (
                job.status, job.attempt, job.crashes,
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
            assert oracle.audit(self.eye) == []
            for id_ in self.jobs:
                with pytest.raises(JobNotFound):
                    QueueService(name="other", database=self.path, durability="normal").get(id_)
                break
        finally:
            self.eye.close()
            self.caller.stop()
            for owner in (*self.owners, *self.gone):
                owner.close()
            shutil.rmtree(self.folder)

    # ------------------------------------------------------------ helpers

    def _caller_journal(self) -> Journal:
        """The journal of the queue that only calls, on the machine's clock."""
        journal = self.caller._open().journal
        journal.clock = self.clock
        return journal

    def _any_journal(self, which: int) -> Journal:
        living = self._living()
        journals = [self._caller_journal(), *(owner.journal for owner in living)]
        return journals[which % len(journals)]

    def _enqueue(
        self,
        journal: Journal,
        count: int,
        priority: int,
        delay: float,
        max_attempts: int,
        max_crashes: int,
    ) -> None:
        due_at = self.clock.now + delay if delay else None
        options = Options(QUEUE, priority, max_attempts, max_crashes, due_at=due_at)
        ids = new_ids(count)
        journal.enqueue(options, ids, ["{}"] * count)
        for id_ in ids:
            self.accepted += 1
            self.jobs[id_] = Model(
                id_, self.accepted, priority, max_attempts, max_crashes,
                due_at or self.clock.now, bool(delay), self.clock.now,
            )  # fmt: skip
            self.newest = id_

    def _exchange(
        self, owner: Owner, outcome: Outcome | None, *, wanted: bool = True
    ) -> Run | None:
        ticket = Exchange(QUEUE, owner.id)
        if not wanted:
            owner.journal.dismiss([ticket])
        # A run that does not come would be waited for without end.
        timer = threading.Timer(30, owner.journal.dismiss, ([ticket],))
        timer.daemon = True
        timer.start()
        try:
            run = owner.journal.exchange(ticket, outcome)
        finally:
            timer.cancel()
        assert not ticket.refused
        return run

    def _started(self, owner: Owner, run: Run | None) -> None:
        assert run is not None, "a job is ready, but no worker gets it"
        job = self.jobs[run.id]
        first = min(self._ready(), key=lambda other: (-other.priority, other.order))
        assert job is first, "another job should have come first"
        self._moved(job, "start", owner=owner)
        assert (run.attempt, run.starts) == (job.attempt, job.starts)
        owner.runs[job.id] = run

    def _outcome(self, run: Run, what: int, wait: float, reported: bool) -> Outcome:
        job = self.jobs[run.id]
        events: list[Event] = ["complete", "fail", "release"]
        if job.attempt < job.max_attempts:
            events.append("retry")
        if job.status == "cancelling":
            events.append("confirm")
        event = events[what % len(events)]
        report = (run.key, run.starts, None, None, 99.0, "last") if reported else None
        if reported:
            job.progress = 99.0
        return Outcome(
            run,
            event,
            "1" if event == "complete" else None,
            ERROR if event in ("fail", "retry") else None,
            self.clock.now + wait if event == "retry" else None,
            report,
        )

    def _ended(self, outcome: Outcome) -> None:
        job = self.jobs[outcome.run.id]
        event = outcome.event
        if job.status == "cancelling":
            # Asked to cancel, it is not queued again.
            event = {"retry": "fail", "release": "confirm"}.get(event, event)  # type: ignore[assignment]  # both are events
        self._moved(job, event)
        if event == "retry":
            assert outcome.due_at is not None
            job.due_at, job.waiting = outcome.due_at, outcome.due_at > self.clock.now
        elif event == "release":
            job.waiting = False

    def _moved(
        self, job: Model, event: Event, *, owner: Owner | None = None, ends_run: bool = True
    ) -> None:
        to = target(job.status, event)
        assert to is not None
        if job.owner is not None and ends_run:
            run = job.owner.runs.pop(job.id)
            self.stale = [*self.stale[-20:], Stale(job.owner, run)]
            job.owner = None
        job.events.append(event)
        job.status = to
        job.moved_at = self.clock.now
        self.newest = job.id
        match event:
            case "start":
                job.attempt += 1
                job.starts += 1
                job.owner = owner
                job.progress = None
            case "release":
                job.attempt -= 1
            case "recover" | "lose":
                job.crashes += 1
            case "requeue":
                job.attempt = job.crashes = 0
            case _:
                pass

    def _pruned(self, count: int, expected: Sequence[Model]) -> None:
        gone = [job for job in expected if job.id != self.newest]
        assert count == len(gone)
        for job in gone:
            del self.jobs[job.id]

    def _replace(self, owner: Owner) -> None:
        """The process is started again. What it was lives on, to speak out of turn."""
        self.owners[self.owners.index(owner)] = Owner(self.path, self.clock)
        self.gone.append(owner)

    def _in(self, *statuses: str) -> list[Model]:
        return [job for job in self.jobs.values() if job.status in statuses]

    def _held(self) -> list[Model]:
        return self._in(*OWNED)

    def _ready(self) -> list[Model]:
        return [job for job in self._in("queued") if not job.waiting]

    def _living(self) -> list[Owner]:
        return [owner for owner in self.owners if owner.alive]

    @staticmethod
    def _among(jobs: Sequence[Model], which: int) -> Model:
        return jobs[which % len(jobs)]

    def _pick(self, which: int) -> Model:
        return self._among(list(self.jobs.values()), which)

    def _pick_owner(self, which: int) -> Owner:
        living = self._living()
        return living[which % len(living)]

    def _pick_run(self, which: int) -> tuple[Owner, Run]:
        job = self._among(self._held(), which)
        assert job.owner is not None
        return job.owner, job.owner.runs[job.id]


def test_whatever_happens_model_rows_and_journal_agree() -> None:
    run_state_machine_as_test(
        QueueMachine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
