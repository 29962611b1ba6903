"""The moves as the store makes them: which words it takes from whom."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from sprag.queue import Job, JobError, QueueFull, errors
from sprag.queue.file.database import Database
from sprag.queue.ids import new_ids
from sprag.queue.store import moves
from sprag.queue.store.batch import Posted
from sprag.queue.store.dealing import Seekers
from sprag.queue.store.store import Store
from sprag.queue.store.tickets import Call, Enqueue, Exchange, Options, Outcome, Run
from tests.support import DEADLINE, wait_until


class Clock:
    """Unix seconds that a test moves on."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Bench:
    """A journal on a real file, two owners, and short words for what they do."""

    def __init__(self, database: Database) -> None:
        self.clock = Clock()
        self.ended: list[str] = []
        self.store = Store(database, self.clock, self.ended.extend)
        self.me = self.store.owners.add("mine", 1, "here")
        self.other = self.store.owners.add("theirs", 2, "here")

    def enqueue(self, **options: Any) -> str:
        [id_] = new_ids(1)
        self.store.enqueue(Options("work", **options), [id_], ["1"])
        return id_

    def start(self, owner: int | None = None) -> Run:
        """The run of the next job; there must be one."""
        run = self.store.exchange(Exchange("work", owner or self.me), None)
        assert run is not None
        return run

    def finish(self, run: Run, event: Any, owner: int | None = None, **told: Any) -> bool:
        """Whether the outcome was accepted."""
        outcome = Outcome(run, event, **told)
        return self.store.finish(owner or self.me, [outcome]) == 1

    def events(self, id_: str) -> list[str]:
        return [moved.event for moved in self.store.journal.history(id_)]


@pytest.fixture
def bench(database: Path) -> Iterator[Bench]:
    opened = Database(str(database), "normal")
    yield Bench(opened)
    opened.close()


ERROR = JobError("ValueError", "told", "Traceback")

OUTCOMES: list[tuple[Any, dict[str, Any], str]] = [
    ("complete", {"result": "1"}, "completed"),
    ("fail", {"error": ERROR}, "failed"),
    ("retry", {"error": ERROR, "due_at": 2_000_000.0}, "queued"),
    ("release", {}, "queued"),
    ("release", {"error": ERROR, "due_at": 2_000_000.0}, "queued"),  # a retry that does not count
]


@pytest.mark.parametrize(("event", "told", "status"), OUTCOMES)
def test_an_outcome_is_taken_from_the_run_it_belongs_to(
    bench: Bench, event: Any, told: dict[str, Any], status: str
) -> None:
    id_ = bench.enqueue()
    assert bench.finish(bench.start(), event, **told)
    job = bench.store.jobs.get(id_)
    assert job.status == status
    assert job.attempt == (0 if event == "release" else 1)
    assert job.error == told.get("error")
    assert bench.events(id_) == ["enqueue", "start", event]


def unchanged(bench: Bench, id_: str, act: Callable[[], bool]) -> None:
    """`act` is refused and leaves no trace."""
    before: tuple[Job, Any] = bench.store.jobs.get(id_), bench.store.journal.history(id_)
    assert not act()
    assert (bench.store.jobs.get(id_), bench.store.journal.history(id_)) == before


@pytest.mark.parametrize(("event", "told", "status"), OUTCOMES)
def test_a_stale_outcome_is_refused(
    bench: Bench, event: Any, told: dict[str, Any], status: str
) -> None:
    id_ = bench.enqueue()
    stale = bench.start()
    assert bench.finish(stale, "release")
    # In the queue again, with another owner, and started by this one once more.
    unchanged(bench, id_, lambda: bench.finish(stale, event, **told))
    theirs = bench.start(bench.other)
    unchanged(bench, id_, lambda: bench.finish(stale, event, **told))
    unchanged(bench, id_, lambda: bench.finish(theirs, event, **told))
    assert bench.finish(theirs, "release", bench.other)
    mine = bench.start()
    unchanged(bench, id_, lambda: bench.finish(stale, event, **told))
    assert bench.finish(mine, event, **told)
    # And over.
    if status != "queued":
        unchanged(bench, id_, lambda: bench.finish(mine, event, **told))


def test_of_several_outcomes_the_stale_one_alone_is_refused(bench: Bench) -> None:
    ids = [bench.enqueue() for _ in range(3)]
    runs = [bench.start() for _ in range(3)]
    assert bench.finish(runs[1], "release")
    taken = bench.store.finish(bench.me, [Outcome(run, "complete", result="1") for run in runs])
    assert taken == 2
    assert [bench.store.jobs.get(id_).status for id_ in ids] == ["completed", "queued", "completed"]


def test_a_stale_worker_learns_that_its_outcome_was_refused(bench: Bench) -> None:
    bench.enqueue()
    ticket = Exchange("work", bench.me)
    run = bench.store.exchange(ticket, None)
    assert run is not None
    assert bench.finish(run, "release")
    bench.enqueue()
    # It has its next run all the same.
    assert bench.store.exchange(ticket, Outcome(run, "complete", result="1")) is not None
    assert ticket.refused


@pytest.mark.parametrize(
    ("event", "told", "became", "status"),
    [
        ("complete", {"result": "1"}, "complete", "completed"),
        ("fail", {"error": ERROR}, "fail", "failed"),
        ("retry", {"error": ERROR, "due_at": 2_000_000.0}, "fail", "failed"),
        ("release", {}, "confirm", "cancelled"),
        ("confirm", {}, "confirm", "cancelled"),
    ],
)
def test_a_job_that_was_asked_to_cancel_is_not_queued_again(
    bench: Bench, event: Any, told: dict[str, Any], became: str, status: str
) -> None:
    id_ = bench.enqueue(max_attempts=5)
    run = bench.start()
    row, asked = bench.store.cancel(id_)
    assert row is not None
    assert asked.status == "cancelling"
    assert row[1:] == (run.starts, "cancelling", bench.me)
    assert bench.finish(run, event, **told)
    job = bench.store.jobs.get(id_)
    assert (job.status, job.attempt) == (status, 1)
    assert bench.events(id_) == ["enqueue", "start", "cancel", became]


def test_only_ready_jobs_are_claimed_the_highest_priority_first(bench: Bench) -> None:
    bench.enqueue(due_at=bench.clock.now + 10, priority=9)
    low, high, low2 = bench.enqueue(), bench.enqueue(priority=1), bench.enqueue()
    assert [bench.start().id for _ in range(3)] == [high, low, low2]


def test_a_job_of_another_queue_is_not_claimed(bench: Bench) -> None:
    [other] = new_ids(1)
    bench.store.enqueue(Options("other", priority=9), [other], ["1"])
    mine = bench.enqueue()
    assert bench.start().id == mine
    assert bench.store.jobs.get(other).status == "queued"


def test_waiting_jobs_are_promoted_when_they_are_due(bench: Bench) -> None:
    now = bench.clock.now
    ids = [bench.enqueue(due_at=now + seconds) for seconds in (30, 10, 20)]
    assert bench.store.jobs.next_due("work") == now + 10
    assert bench.store.promote("work") == 0
    bench.clock.now = now + 20
    assert bench.store.promote("work") == 2
    assert bench.store.jobs.next_due("work") == now + 30
    # In order of acceptance, as all that is ready.
    assert [bench.start().id, bench.start().id] == [ids[1], ids[2]]
    bench.clock.now = now + 30
    assert bench.store.promote("work") == 1
    assert bench.store.jobs.next_due("work") is None


def test_a_waiting_job_runs_now_on_request_and_that_is_no_move(bench: Bench) -> None:
    now = bench.clock.now
    scheduled = bench.enqueue(due_at=now + 100)
    retrying = bench.enqueue()
    bench.finish(bench.start(), "retry", error=ERROR, due_at=now + 200)
    moves = bench.store.journal.head()
    bench.clock.now = now + 5
    assert bench.store.run_now(scheduled)
    assert bench.store.run_now_many([retrying, scheduled]) == [retrying]
    assert bench.store.journal.head() == moves
    assert bench.store.jobs.next_due("work") is None
    assert {bench.store.jobs.get(id_).due_at for id_ in (scheduled, retrying)} == {now + 5}
    assert {bench.start().id, bench.start().id} == {scheduled, retrying}
    assert [*bench.store.audit.strays(9), *bench.store.audit.misfolds(9)] == []


def test_only_a_waiting_job_can_be_let_run_now(bench: Bench) -> None:
    ready = bench.enqueue()
    assert not bench.store.run_now(ready)
    run = bench.start()
    with pytest.raises(errors.IllegalMove, match="it is running, expected queued"):
        bench.store.run_now(ready)
    bench.finish(run, "complete", result="1")
    with pytest.raises(errors.IllegalMove, match="it is completed"):
        bench.store.run_now(ready)
    [nobody] = new_ids(1)
    with pytest.raises(errors.JobNotFound):
        bench.store.run_now(nobody)
    waiting = bench.enqueue(due_at=bench.clock.now + 9)
    with pytest.raises(errors.JobNotFound):
        bench.store.run_now(waiting, "other")
    assert bench.store.jobs.next_due("work") is not None


def test_only_finished_jobs_are_deleted_and_the_newest_and_the_last_to_move_stay(
    bench: Bench,
) -> None:
    done, last, running, queued, newest = (bench.enqueue() for _ in range(5))
    first, second, _third = (bench.start() for _ in range(3))
    bench.store.cancel(newest)
    bench.finish(first, "complete", result="1")
    bench.finish(second, "fail", error=ERROR)
    [nobody] = new_ids(1)
    ids = [done, last, running, queued, newest, nobody]
    assert bench.store.pruning.delete(ids) == [done]
    with pytest.raises(errors.JobNotFound):
        bench.store.jobs.get(done)
    assert bench.store.audit.missing() == 0
    assert [bench.store.jobs.get(id_).status for id_ in ids[1:5]] == [
        "failed", "running", "queued", "cancelled",
    ]  # fmt: skip
    bench.enqueue()
    assert bench.store.pruning.delete([newest, last]) == [newest, last]


def test_a_retry_that_is_due_at_once_needs_no_promotion(bench: Bench) -> None:
    id_ = bench.enqueue()
    assert bench.finish(bench.start(), "retry", error=ERROR, due_at=bench.clock.now)
    assert bench.start().id == id_


def test_recovery_takes_the_jobs_of_one_owner(bench: Bench) -> None:
    mine = bench.enqueue()
    bench.start()
    theirs = bench.enqueue(max_crashes=2)
    asked = bench.enqueue()
    bench.start(bench.other)
    bench.start(bench.other)
    bench.store.cancel(asked)
    moved = bench.store.owners.recover(bench.other)
    assert sorted(moved) == sorted([(theirs, "work", "recover"), (asked, "work", "confirm")])
    job = bench.store.jobs.get(theirs)
    assert (job.status, job.attempt, job.crashes, job.error) == ("queued", 1, 1, None)
    assert bench.store.jobs.get(asked).status == "cancelled"
    assert bench.store.jobs.get(mine).status == "running"
    assert [row[0] for row in bench.store.owners.all()] == [bench.me]
    assert bench.store.owners.recover(bench.other) == []


def test_a_job_under_which_too_many_processes_died_fails_and_says_so(bench: Bench) -> None:
    id_ = bench.enqueue(max_crashes=2, max_attempts=9)
    for n in range(2):
        owner = bench.store.owners.add(f"owner {n}", n, "here")
        bench.start(owner)
        bench.store.owners.recover(owner)
    job = bench.store.jobs.get(id_)
    assert (job.status, job.crashes, job.attempt) == ("failed", 2, 2)
    assert job.error is not None
    assert job.error.type == "ProcessDied"
    assert job.error.message == "the process running this job died 2 times; max_crashes is 2"
    assert bench.events(id_) == ["enqueue", "start", "recover", "start", "lose"]
    assert id_ in bench.ended
    bench.store.requeue(id_)
    assert bench.store.jobs.get(id_).crashes == 0


def test_give_back_leaves_what_the_workers_have(bench: Bench) -> None:
    kept, stray, theirs = (bench.enqueue() for _ in range(3))
    worker = Exchange("work", bench.me)
    bench.store.exchange(worker, None)
    bench.start()
    bench.start(bench.other)
    # Only where a commit's fate was unknown is there anything to look for.
    assert bench.store.give_back(bench.me, [worker]) == []
    bench.store._dealer.adrift = 1
    assert bench.store.give_back(bench.me, [worker]) == [stray]
    assert not bench.store._dealer.adrift
    assert bench.store.jobs.get(kept).status == "running"
    assert bench.store.jobs.get(theirs).status == "running"
    assert (bench.store.jobs.get(stray).status, bench.store.jobs.get(stray).attempt) == (
        "queued",
        0,
    )


def test_give_back_takes_a_run_whose_job_a_worker_only_had_before(bench: Bench) -> None:
    id_ = bench.enqueue(max_attempts=2)
    worker = Exchange("work", bench.me)
    run = bench.store.exchange(worker, None)
    assert run is not None
    # Both were stored by a commit of unknown fate, so that the worker still has the first run.
    assert bench.finish(run, "retry", error=ERROR)
    bench.start()
    bench.store._dealer.adrift = 1
    assert bench.store.give_back(bench.me, [worker]) == [id_]
    assert bench.store.jobs.get(id_).status == "queued"


def test_an_owner_that_leaves_leaves_nothing_running(bench: Bench) -> None:
    ids = [bench.enqueue() for _ in range(3)]
    bench.start()
    bench.start()
    bench.store.cancel(ids[0])
    assert sorted(bench.store.owners.leave(bench.me)) == ids[:2]
    assert [bench.store.jobs.get(id_).status for id_ in ids] == ["cancelled", "queued", "queued"]
    assert [row[0] for row in bench.store.owners.all()] == [bench.other]


def test_progress_of_a_run_that_is_over_is_passed_over(bench: Bench) -> None:
    id_ = bench.enqueue()
    stale = bench.start()
    assert bench.finish(stale, "release")
    run = bench.start()

    def report(owner: int, run: Run, current: int) -> Any:
        bench.store.report(owner, [(run.key, run.starts, current, 10, None, None)])
        progress = bench.store.jobs.get(id_).progress
        return progress and progress.current

    assert report(bench.me, stale, 1) is None
    assert report(bench.other, run, 2) is None
    assert report(bench.me, run, 3) == 3
    assert report(bench.me, stale, 4) == 3
    assert report(bench.me, run, 5) == 5


def test_outcomes_new_jobs_and_claims_of_a_batch_share_a_commit(
    bench: Bench, database: Path
) -> None:
    bench.enqueue()
    worker = Exchange("work", bench.me)
    run = bench.store.exchange(worker, None)
    assert run is not None
    second = bench.enqueue()
    before = bench.store.database.version()
    run = bench.store.exchange(worker, Outcome(run, "complete", result="1"))
    assert run is not None
    assert run.id == second
    assert bench.store.database.version() == before + 1


def enqueues(*options: Options, item: str = "1") -> list[Enqueue]:
    return [Enqueue(each, new_ids(1), [item]) for each in options]


@pytest.mark.parametrize(
    ("priorities", "expected"),
    [
        ((0,), ["INSERT"]),
        ((0, 0, 0), ["INSERT"]),
        ((0, 1, 0), ["BEGIN", *["INSERT"] * 2, "COMMIT"]),
    ],
)
def test_new_jobs_that_are_alike_are_one_statement(
    bench: Bench, priorities: tuple[int, ...], expected: list[str]
) -> None:
    said: list[str] = []

    def trace(_cursor: Any, statement: str, _bindings: Any) -> bool:
        said.append(
            statement.removeprefix("WITH jobs AS (SELECT rowid, value FROM carray(:jobs)) ")
        )
        return True

    batch = enqueues(*(Options("work", priority=priority) for priority in priorities))
    bench.store.database.writer.exec_trace = trace
    bench.store._batches.write([*batch])
    assert [statement.partition(" ")[0] for statement in said] == expected
    assert all(ticket.done and ticket.at == bench.clock.now for ticket in batch)
    made = {bench.store.jobs.get(ticket.ids[0]).priority: ticket for ticket in batch}
    assert set(made) == set(priorities)
    assert bench.store.jobs.counts("work")["work"]["queued"] == len(batch)


def test_a_new_job_that_cannot_be_stored_keeps_none_of_those_beside_it_from_it(
    bench: Bench,
) -> None:
    [good, other], [bad] = enqueues(*[Options("work")] * 2), enqueues(Options("work"), item="no")
    bench.store._batches.write([good, bad, other])
    assert (good.error, other.error) == (None, None)
    assert isinstance(bad.error, errors.DatabaseError)
    assert bench.store.jobs.counts("work")["work"]["queued"] == 2


def test_a_batch_that_is_written_again_one_by_one_tells_no_one_a_stale_refusal(
    bench: Bench,
) -> None:
    def batch(run: Callable[[Any, float], Any]) -> Enqueue:
        """Beside something that cannot be written: a worker that makes room in a full queue."""
        options = Options("work", max_queued=1)
        worker, call = Exchange("work", bench.me), Call(run)
        enqueue = Enqueue(options, new_ids(1), ["1"])
        bench.store._batches.write([worker, enqueue, call])
        return enqueue

    def refused(connection: apsw.Connection, now: float) -> None:
        connection.execute("INSERT INTO job (queue, item) VALUES ('', '1')")

    bench.enqueue()
    # Together, the queue is full; one by one, the worker takes its job out of it first.
    enqueue = batch(refused)
    assert enqueue.error is None
    assert bench.store.jobs.counts("work")["work"]["running"] == 1
    assert bench.store.jobs.counts("work")["work"]["queued"] == 1
    # With nothing wrong, they are written together, and the refusal stands.
    enqueue = batch(lambda connection, now: None)
    assert isinstance(enqueue.error, QueueFull)


def test_a_nudge_also_reaches_a_worker_that_is_not_parked_yet(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(bench.store, "_write", calls.append)
    worker = Exchange("work", bench.me)
    bench.store.nudge([worker])
    assert len(calls) == 1
    id_ = bench.enqueue()
    worker.claimed = Run(1, 1, id_, 1, 1, None, b"1")
    bench.store.nudge([worker])
    assert len(calls) == 1


def test_nothing_is_added_to_a_transaction_that_was_left_open(bench: Bench) -> None:
    bench.store.database.begin()
    id_ = bench.enqueue()
    bench.store.database.rollback()
    assert bench.store.jobs.get(id_).status == "queued"


class Alarm(Exception):
    """As an application's signal handler raises it."""


def test_an_exception_from_outside_between_commit_and_deal_gives_the_run_back(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def torn(*_: Any) -> None:
        raise Alarm

    id_ = bench.enqueue()
    with monkeypatch.context() as patch:
        patch.setattr(bench.store._dealer, "deal", torn)
        with pytest.raises(Alarm):
            bench.start()
    assert bench.store.jobs.get(id_).status == "running"
    assert bench.store.give_back(bench.me, []) == [id_]
    assert bench.store.jobs.get(id_).attempt == 0


@pytest.mark.parametrize("second_raises", [Alarm, None])
@pytest.mark.parametrize("kind", [Alarm, errors.ReentrantCall])
def test_an_exception_from_outside_at_a_commit_gives_the_run_back(
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    kind: type[Exception],
    second_raises: type[Exception] | None,
) -> None:
    """Also one of ours, which a call of the signal handler has raised, and where another one comes
    while things are put right."""
    id_ = bench.enqueue()
    database = bench.store.database
    commit, rollback = database.commit, database.rollback
    torn: list[str] = []

    def first() -> None:
        commit()
        torn.append("commit")
        raise kind

    def second() -> None:
        rollback()
        if torn and second_raises is not None:
            raise second_raises

    with monkeypatch.context() as patch:
        patch.setattr(database, "commit", first)
        patch.setattr(database, "rollback", second)
        with pytest.raises(second_raises or kind):
            bench.start()
    assert bench.store.jobs.get(id_).status == "running"
    assert bench.store.give_back(bench.me, []) == [id_]
    assert bench.store.give_back(bench.me, []) == []


@pytest.mark.parametrize("moment", ["commit", "deal"])
def test_what_a_signal_handler_raises_after_a_commit_changes_nobodys_answer(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Only the call that it has interrupted ends with it: what others had posted is not written
    twice."""
    failed, [fresh] = bench.enqueue(), new_ids(1)
    bench.finish(bench.start(), "fail", error=ERROR)
    bench.enqueue()
    worker = Exchange("work", bench.me)
    run = bench.store.exchange(worker, None)
    assert run is not None
    worker.outcome, worker.done = Outcome(run, "complete", result="1"), False
    requeue = Call(lambda connection, now: moves.requeue(connection, now, failed))
    enqueue = Enqueue(Options("work", max_queued=1), [fresh], ["1"])
    part: Any = bench.store.database if moment == "commit" else bench.store._dealer
    done = getattr(part, moment)

    def torn(*args: Any) -> None:
        done(*args)
        raise Alarm

    batch: list[Posted] = [worker, enqueue, requeue]
    with monkeypatch.context() as patch:
        patch.setattr(part, moment, torn)
        with pytest.raises(Alarm):
            bench.store._batches.write(batch)
    # As the group commit does with those that were not told yet.
    bench.store._batches.write([ticket for ticket in batch if not (ticket.done or ticket.parked)])
    assert (requeue.done, requeue.result, requeue.error) == (True, True, None)
    assert (enqueue.done, enqueue.error) == (True, None)
    assert (worker.done, worker.refused, worker.error) == (True, False, None)
    assert bench.events(failed).count("requeue") == 1
    bench.store.give_back(bench.me, [worker])
    held = [job for job in (failed, fresh) if bench.store.jobs.get(job).status == "running"]
    assert [worker.claimed and worker.claimed.id] == held


def test_an_enqueue_after_a_torn_batch_does_not_pass_for_its_commit(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.enqueue()
    worker = Exchange("work", bench.me)
    run = bench.store.exchange(worker, None)
    assert run is not None
    worker.outcome, worker.done = Outcome(run, "complete", result="1"), False

    def torn() -> None:
        raise Alarm

    with monkeypatch.context() as patch:
        patch.setattr(bench.store.database, "commit", torn)
        with pytest.raises(Alarm):
            bench.store._batches.write([worker])
    bench.enqueue()
    assert bench.store.jobs.get(run.id).status == "running"
    bench.store._batches.write([worker])
    assert bench.store.jobs.get(run.id).status == "completed"


@pytest.mark.parametrize("why", ["a full queue", "an idle worker", "a spoilt writer", "closed"])
def test_an_enqueue_that_takes_more_than_an_insert_is_no_mere_insert(
    bench: Bench, why: str
) -> None:
    batches, options = bench.store._batches, Options("work")
    if why == "a full queue":
        options = Options("work", max_queued=5)
    elif why == "an idle worker":
        batches._dealer.deal(Seekers("work", [Exchange("work", bench.me)], []), [])
    elif why == "a spoilt writer":
        batches._spoilt = True
    else:
        bench.store.database.closed = True
    assert batches.accept(options, new_ids(1), ["1"]) is None
    bench.store.database.closed = False
    assert batches.accept(Options("other"), new_ids(1), ["1"]) == (
        None if why == "a spoilt writer" else bench.clock.now
    )
    assert bench.store.jobs.counts("work")["work"]["queued"] == 0


def test_a_worker_that_a_torn_deal_has_woken_is_given_one_run_at_a_time(bench: Bench) -> None:
    class Torn(Exchange):
        def wake(self) -> None:
            super().wake()
            raise Alarm

    worker = Torn("work", bench.me)
    dealt: list[Run | None] = []
    thread = threading.Thread(target=lambda: dealt.append(bench.store.exchange(worker, None)))
    thread.start()
    wait_until(lambda: worker.parked)
    ids = new_ids(3)
    with pytest.raises(Alarm):
        bench.store.enqueue(Options("work"), ids, ["1"] * 3)
    thread.join(DEADLINE)
    [run] = dealt
    assert run is not None
    outcome = Outcome(run, "complete", result="1")
    assert bench.store.exchange(worker, outcome) is not None
    assert [bench.store.jobs.get(id_).status for id_ in ids] == ["completed", "running", "queued"]


def test_a_run_that_is_dealt_to_a_worker_and_never_told_to_it_is_given_back(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    untold, told = bench.enqueue(), bench.enqueue()
    worker = Exchange("work", bench.me)
    deal = bench.store._dealer.deal

    def torn(seekers: Seekers, runs: list[Run]) -> None:
        deal(seekers, runs)
        raise Alarm

    with monkeypatch.context() as patch:
        patch.setattr(bench.store._dealer, "deal", torn)
        with pytest.raises(Alarm):
            bench.store.exchange(worker, None)
    # Nobody can tell yet whether it comes to know of it.
    assert bench.store.give_back(bench.me, [worker]) == []
    run = bench.store.exchange(worker, None)
    assert run is not None
    assert run.id == told
    assert bench.store.give_back(bench.me, [worker]) == [untold]


def test_a_worker_that_a_torn_wake_left_marked_as_parked_hands_in_its_outcome(bench: Bench) -> None:
    class Watched(Exchange):
        """The keeper looks before each of its flags is lowered."""

        def __setattr__(self, name: str, value: Any) -> None:
            if name in ("parked", "done") and value is False and torn:
                bench.store._dealer.deal_again([torn.pop()])
                torn.append(self)
            super().__setattr__(name, value)

    torn: list[Exchange] = []

    id_ = bench.enqueue()
    worker = Watched("work", bench.me)
    run = bench.store.exchange(worker, None)
    assert run is not None
    worker.stopping = True  # or its exchange would wait for another job
    # As if a signal handler had raised in the midst of `wake_parked`.
    worker.parked = True
    torn.append(worker)
    bench.store.exchange(worker, Outcome(run, "complete", result="1"))
    assert bench.store.jobs.get(id_).status == "completed"


def test_a_file_without_its_counters_has_an_end_all_the_same(tmp_path: Path) -> None:
    database = Database(str(tmp_path / "jobs.db"))
    try:
        bench = Bench(database)
        bench.enqueue()
        database.writer.execute("DELETE FROM counter")
        assert bench.store.journal.head() == (1, 0)
    finally:
        database.close()
