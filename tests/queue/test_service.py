"""What a caller gets from a queue: jobs accepted, ordered, found, waited for, pruned."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sprag.queue import (
    STATUSES,
    Backoff,
    ConfigurationError,
    DatabaseReadOnly,
    IllegalMove,
    Job,
    JobExists,
    JobNotFound,
    PayloadError,
    PayloadTooLarge,
    QueueClosed,
    QueueFull,
    QueueService,
    WaitTimeout,
    new_job_id,
)
from sprag.queue.options import JobOptions
from sprag.queue.service import life_of
from tests.conftest import MakeQueue
from tests.support import (
    DEADLINE,
    Gate,
    Seen,
    child,
    finished,
    queue_class,
    raw,
    said,
    sql,
    until_interrupted,
    wait,
    wait_until,
)

PROGRAMS = Path(__file__).with_name("programs")


def events(queue: QueueService, job: Job) -> list[str]:
    return [moved.event for moved in queue.history(job.id)]


def stored(queue: QueueService) -> int:
    return sum(queue.counts().values())


# ---------------------------------------------------------------- options


def test_a_class_s_attributes_are_the_defaults_and_arguments_win(database: Path) -> None:
    class Images(QueueService):
        name = "images"
        worker_count = 2
        max_attempts = 3
        backoff = 5

    by_class = Images(database=database)
    assert (by_class.name, by_class.worker_count, by_class.max_attempts) == ("images", 2, 3)
    by_argument = Images(database=database, worker_count=7, name="other", max_attempts=1)
    assert (by_argument.name, by_argument.worker_count, by_argument.max_attempts) == (
        "other", 7, 1,
    )  # fmt: skip
    assert (Images.name, Images.worker_count) == ("images", 2)


def test_the_defaults_are_sensible(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(database.parent)
    queue = queue_class()()
    assert (queue.worker_count, queue.max_attempts, queue.max_crashes) == (4, 1, 3)
    assert (queue.durability, queue.max_queued, queue.max_payload_bytes) == ("full", None, 1 << 20)
    queue.enqueue(1)
    queue.stop()
    assert (database.parent / "sprag.db").is_file()


def test_a_queue_opens_nothing_before_its_first_use(make_queue: MakeQueue, database: Path) -> None:
    queue = make_queue()
    assert list(database.parent.iterdir()) == []
    queue.enqueue(1)
    assert database.is_file()


def test_a_relative_path_is_taken_at_construction(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(database.parent)
    queue = queue_class()(database="jobs.db")
    (database.parent / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    queue.enqueue(1)
    queue.stop()
    assert database.is_file()
    assert not Path("jobs.db").exists()


def test_an_enqueue_takes_the_queue_s_options_unless_it_has_its_own(make_queue: MakeQueue) -> None:
    queue = make_queue(max_attempts=4)
    plain = queue.enqueue(1)
    own = queue.enqueue(1, max_attempts=2, priority=7, label="A label with ünïcode")
    assert (plain.max_attempts, plain.priority, plain.label) == (4, 0, None)
    assert (own.max_attempts, own.priority, own.label) == (2, 7, "A label with ünïcode")
    for job in (plain, own):
        again = queue.get(job.id)
        assert (again.max_attempts, again.priority, again.label) == (
            job.max_attempts, job.priority, job.label,
        )  # fmt: skip


def test_max_crashes_is_stored_with_the_job(make_queue: MakeQueue, database: Path) -> None:
    queue = make_queue(max_crashes=5)
    queue.enqueue("queue's")
    queue.enqueue("own", max_crashes=9)
    queue.enqueue_many(["many"], max_crashes=2)
    assert sql(database, "SELECT item, max_crashes FROM job ORDER BY key") == [
        ('"queue\'s"', 5), ('"own"', 9), ('"many"', 2),
    ]  # fmt: skip


# ---------------------------------------------------------------- enqueue


def test_an_accepted_job_is_in_the_file(make_queue: MakeQueue, database: Path) -> None:
    before = time.time()
    job = make_queue().enqueue({"path": "a.jpg"}, label="a")
    after = time.time()
    [row] = sql(database, "SELECT id, queue, status, item, label, attempt FROM job")
    assert row == (job.id, "work", "queued", '{"path":"a.jpg"}', "a", 0)
    assert (job.status, job.item, job.result, job.error) == (
        "queued",
        {"path": "a.jpg"},
        None,
        None,
    )
    assert before <= job.created_at <= after
    assert job.due_at == job.created_at
    assert (job.started_at, job.finished_at, job.progress) == (None, None, None)
    assert (job.attempt, job.crashes, job.cancel_requested, job.finished) == (0, 0, False, False)


def test_what_enqueue_returns_is_what_get_returns(make_queue: MakeQueue) -> None:
    queue = make_queue()
    every: list[JobOptions] = [
        {}, {"delay": 100, "priority": 3}, {"run_at": 0}, {"label": "x", "audience": "y"},
        {"max_attempts": 2, "backoff": 5, "max_crashes": 4, "time_limit": 6},
        {"unique": "a"}, {"unique": "b", "unique_for": "1h"},
    ]  # fmt: skip
    assert {name for options in every for name in options} == set(JobOptions.__annotations__)
    for options in every:
        job = queue.enqueue([1, (2,)], **options)
        assert queue.get(job.id) == job
    jobs = queue.enqueue_many([1, 2], delay=50)
    assert [queue.get(job.id) for job in jobs] == jobs
    job = queue.enqueue("x", job_id=new_job_id())
    assert queue.get(job.id) == job


def test_ids_sort_in_the_order_of_acceptance(make_queue: MakeQueue) -> None:
    queue = make_queue()
    ids = [queue.enqueue(n).id for n in range(20)]
    ids += [job.id for job in queue.enqueue_many(range(20))]
    assert ids == sorted(ids)
    assert len(set(ids)) == 40


def test_an_item_that_cannot_be_stored_leaves_nothing(make_queue: MakeQueue) -> None:
    queue = make_queue(max_payload_bytes=100)
    with pytest.raises(PayloadError) as refusal:
        queue.enqueue({"sizes": [1, object()]})
    assert refusal.value.path == "item['sizes'][1]"
    with pytest.raises(PayloadTooLarge) as too_large:
        queue.enqueue("ä" * 50)
    assert (too_large.value.size, too_large.value.limit) == (102, 100)
    assert queue.enqueue("ä" * 49).item == "ä" * 49
    assert stored(queue) == 1


def test_enqueue_many_stores_all_in_one_commit(make_queue: MakeQueue, database: Path) -> None:
    queue = make_queue()
    queue.counts()
    with raw(database) as file:
        before = file.execute("PRAGMA data_version").get
        jobs = queue.enqueue_many(({"n": n} for n in range(500)), priority=2, label="many")
        assert file.execute("PRAGMA data_version").get == before + 1
    assert [job.item["n"] for job in jobs] == list(range(500))
    assert queue.counts()["queued"] == 500
    keys = sql(database, "SELECT id FROM job ORDER BY key")
    assert [id_ for (id_,) in keys] == [job.id for job in jobs]


def test_enqueue_many_stores_none_if_one_cannot_be(make_queue: MakeQueue) -> None:
    queue = make_queue(max_payload_bytes=100)
    with pytest.raises(PayloadError) as refusal:
        queue.enqueue_many([1, 2, 3, {"size": object()}])
    assert refusal.value.path == "items[3]['size']"
    with pytest.raises(PayloadTooLarge) as too_large:
        queue.enqueue_many([1, "x" * 100])
    assert too_large.value.path == "items[1]"

    def broken() -> Any:
        yield 1
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        queue.enqueue_many(broken())
    assert stored(queue) == 0


def test_enqueue_many_of_nothing_is_nothing(make_queue: MakeQueue) -> None:
    queue = make_queue(max_queued=1)
    queue.enqueue(1)
    assert queue.enqueue_many([]) == []
    assert stored(queue) == 1


# ---------------------------------------------------------------- a job id of one's own


def test_an_enqueue_can_be_repeated_under_its_id(make_queue: MakeQueue) -> None:
    queue = make_queue()
    id_ = new_job_id()
    first = queue.enqueue({"a": 1}, job_id=id_)
    assert first.id == id_
    assert queue.enqueue({"a": 1}, job_id=id_) == first._replace(existing=True)
    assert stored(queue) == 1
    assert events(queue, first) == ["enqueue"]


def test_a_repeated_enqueue_gives_the_job_as_it_is_now(make_queue: MakeQueue) -> None:
    with make_queue() as queue:
        id_ = new_job_id()
        finished(queue, queue.enqueue(5, job_id=id_))
        again = queue.enqueue(5, job_id=id_)
        assert (again.status, again.result) == ("completed", 5)
        assert stored(queue) == 1


def test_a_repeated_enqueue_is_no_new_job_in_a_full_queue(make_queue: MakeQueue) -> None:
    queue = make_queue(max_queued=1)
    id_ = new_job_id()
    queue.enqueue(5, job_id=id_)
    assert queue.enqueue(5, job_id=id_).id == id_
    with pytest.raises(QueueFull):
        queue.enqueue(5, job_id=new_job_id())


@pytest.mark.parametrize("call", ["enqueue", "cancel", "requeue"])
def test_a_job_that_is_pruned_right_after_a_call_has_moved_it_is_returned_all_the_same(
    make_queue: MakeQueue, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    with make_queue() as queue:
        store = life_of(queue).open().store
        name = "enqueue_each" if call == "enqueue" else call
        move = getattr(store, name)

        def move_and_prune(*args: Any) -> Any:
            told = move(*args)
            wait_until(lambda: queue.get(id_).finished)
            # The newest job stays, so that has to be another.
            finished(queue, queue.enqueue("newest"))
            assert queue.prune(keep=0) >= 1
            return told

        id_ = new_job_id()
        if call != "enqueue":
            queue.enqueue("item", job_id=id_, delay=1000)
        if call == "requeue":
            queue.cancel(id_)
        monkeypatch.setattr(store, name, move_and_prune)
        if call == "enqueue":
            job = queue.enqueue("item", job_id=id_)
        else:
            job = getattr(queue, call)(id_)
        wanted = "cancelled" if call == "cancel" else "queued"
        assert (job.id, job.item, job.status) == (id_, "item", wanted)
        with pytest.raises(JobNotFound):
            queue.get(id_)


def test_an_id_of_another_job_is_refused(make_queue: MakeQueue) -> None:
    queue, other = make_queue(), make_queue(name="other")
    job = queue.enqueue({"a": 1})
    with pytest.raises(JobExists, match="another queue or item") as refusal:
        queue.enqueue({"a": 2}, job_id=job.id)
    assert (refusal.value.job_id, refusal.value.queue) == (job.id, "work")
    with pytest.raises(JobExists) as refusal:
        other.enqueue({"a": 1}, job_id=job.id)
    assert refusal.value.queue == "work"
    assert queue.get(job.id) == job
    assert stored(other) == 0


def test_threads_that_repeat_one_enqueue_store_one_job(make_queue: MakeQueue) -> None:
    queue = make_queue()
    ids = [new_job_id() for _ in range(20)]
    together(8, lambda: [queue.enqueue("same", job_id=id_) for id_ in ids])
    assert stored(queue) == 20


def together(count: int, action: Callable[[], Any]) -> list[Any]:
    """What `action` returned or raised in each of `count` threads that began at once."""
    start = threading.Barrier(count)
    results: list[Any] = []

    def run() -> None:
        start.wait(DEADLINE)
        try:
            results.append(action())
        except Exception as error:  # noqa: BLE001 - what it is, is the test's matter
            results.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert len(results) == count
    return results


# ---------------------------------------------------------------- a bounded queue


def test_a_full_queue_refuses_and_stores_nothing(make_queue: MakeQueue) -> None:
    queue = make_queue(max_queued=3)
    queue.enqueue_many([1, 2])
    with pytest.raises(QueueFull) as refusal:
        queue.enqueue_many([3, 4])
    assert (refusal.value.queue, refusal.value.offered, refusal.value.limit) == ("work", 2, 3)
    assert stored(queue) == 2
    queue.enqueue(3)
    with pytest.raises(QueueFull):
        queue.enqueue(4)
    assert stored(queue) == 3


def test_a_job_that_leaves_the_queue_makes_room(make_queue: MakeQueue) -> None:
    gate = Gate()
    queue = make_queue(lambda self, item: gate.hold(), max_queued=1, worker_count=1)
    running = queue.enqueue(1)
    queue.start()
    gate.wait_held()
    waiting = queue.enqueue(2)
    with pytest.raises(QueueFull):
        queue.enqueue(3)
    queue.cancel(waiting.id)
    waiting = queue.enqueue(3)
    with pytest.raises(QueueFull):
        queue.enqueue(4)
    gate.open()
    finished(queue, running, waiting)
    queue.enqueue(5)


def test_delayed_jobs_count_and_other_queues_do_not(make_queue: MakeQueue) -> None:
    queue, other = make_queue(max_queued=2), make_queue(name="other", max_queued=1)
    queue.enqueue(1, delay=1000)
    queue.enqueue(2)
    with pytest.raises(QueueFull):
        queue.enqueue(3)
    other.enqueue(1)
    with pytest.raises(QueueFull):
        other.enqueue(2)


@pytest.mark.parametrize("running", [False, True])
def test_the_bound_holds_against_many_threads(make_queue: MakeQueue, *, running: bool) -> None:
    gate = Gate()
    queue = make_queue(lambda self, item: gate.hold(), max_queued=25, worker_count=2)
    if running:
        queue.start()
        held = queue.enqueue_many([1, 2])
        gate.wait_held(2)
        assert [queue.get(job.id).status for job in held] == ["running"] * 2

    def fill() -> tuple[int, int]:
        taken = full = 0
        for n in range(10):
            try:
                taken += len(queue.enqueue_many([n, n] if n % 3 else [n]))
            except QueueFull:
                full += 1
        return taken, full

    results = together(8, fill)
    # Two at a time may leave one place; what was said to be taken is there, and nothing else.
    queued = queue.counts()["queued"]
    assert sum(taken for taken, _ in results) == queued
    assert sum(full for _, full in results) > 0
    assert queued in (24, 25)
    queue.enqueue_many([1] * (25 - queued))
    with pytest.raises(QueueFull):
        queue.enqueue(1)
    gate.open()


# ---------------------------------------------------------------- order and time


def order_of(queue: QueueService, seen: Seen, count: int) -> list[Any]:
    with queue:
        return seen.wait_for(lambda all_: len(all_) == count)


def test_jobs_start_in_order_of_acceptance(make_queue: MakeQueue) -> None:
    seen = Seen()
    queue = make_queue(lambda self, item: seen(item), worker_count=1)
    for n in range(10):
        queue.enqueue(n)
    queue.enqueue_many(range(10, 20))
    assert order_of(queue, seen, 20) == list(range(20))


def test_a_higher_priority_starts_first_and_equals_keep_their_order(make_queue: MakeQueue) -> None:
    seen = Seen()
    queue = make_queue(lambda self, item: seen(item), worker_count=1)
    queue.enqueue_many(["c", "d"])
    queue.enqueue("f", priority=-(2**31))
    queue.enqueue("e", priority=-1)
    queue.enqueue_many(["a", "b"], priority=5)
    queue.enqueue("first", priority=2**31)
    assert order_of(queue, seen, 7) == ["first", "a", "b", "c", "d", "e", "f"]


def test_a_retried_job_keeps_its_place(make_queue: MakeQueue) -> None:
    seen = Seen()

    def handler(self: QueueService, item: str) -> None:
        seen(item)
        if item == "a" and self.current_job.attempt == 1:
            raise ValueError

    queue = make_queue(handler, worker_count=1, max_attempts=2, backoff=0)
    queue.enqueue_many(["a", "b", "c"])
    assert order_of(queue, seen, 4) == ["a", "a", "b", "c"]


@pytest.mark.parametrize(
    "later",
    [
        {"delay": 0.3},
        {"delay": timedelta(seconds=0.3)},
        {"run_at": lambda: time.time() + 0.3},
        {"run_at": lambda: datetime.now(UTC) + timedelta(seconds=0.3)},
    ],
    ids=["delay", "timedelta", "run_at", "datetime"],
)
def test_a_job_never_starts_before_its_time(make_queue: MakeQueue, later: dict[str, Any]) -> None:
    with make_queue() as queue:
        before = time.time()
        options = {name: value() if callable(value) else value for name, value in later.items()}
        job = queue.enqueue(1, **options)
        assert job.status == "queued"
        # A datetime has microseconds.
        assert before + 0.3 - 1e-5 <= job.due_at <= time.time() + 0.3
        [done] = finished(queue, job)
        assert done.started_at is not None
        assert done.started_at >= job.due_at
        assert done.due_at == job.due_at


def test_a_time_that_is_past_is_at_once(make_queue: MakeQueue) -> None:
    with make_queue() as queue:
        jobs = [
            queue.enqueue(1, delay=0),
            queue.enqueue(2, run_at=0),
            queue.enqueue(3, run_at=datetime(1900, 1, 1, tzinfo=UTC)),
        ]
        assert [job.result for job in finished(queue, *jobs)] == [1, 2, 3]


def test_a_far_future_is_kept(make_queue: MakeQueue) -> None:
    queue = make_queue().start()
    last = datetime.max.replace(tzinfo=UTC)
    job = queue.enqueue(1, run_at=last)
    assert queue.get(job.id).due_at == pytest.approx(last.timestamp())
    assert queue.enqueue(2, delay=10**10).due_at > time.time() + 10**9
    assert queue.counts()["queued"] == 2


def test_delayed_jobs_wait_in_no_one_s_way(make_queue: MakeQueue) -> None:
    seen = Seen()
    queue = make_queue(lambda self, item: seen(item), worker_count=1)
    last = queue.enqueue("last", delay=1000, priority=99)
    queue.enqueue("late", delay=0.2, priority=9)
    queue.enqueue("now")
    assert order_of(queue, seen, 2) == ["now", "late"]
    assert queue.get(last.id).status == "queued"


def test_of_the_jobs_that_became_due_the_higher_priority_starts_first(
    make_queue: MakeQueue,
) -> None:
    seen, gate = Seen(), Gate()

    def handler(self: QueueService, item: str) -> None:
        seen(item)
        if item == "block":
            gate.hold()

    queue = make_queue(handler, worker_count=1)
    queue.enqueue("block")
    with queue:
        gate.wait_held()
        low = queue.enqueue("low", delay=0.01)
        high = queue.enqueue("high", delay=0.02, priority=1)
        # Both are promoted while the only worker is busy: watch for the flag, in a plain reader.
        wait_until(lambda: ready(queue, low, high))
        gate.open()
        assert seen.wait_for(lambda all_: len(all_) == 3) == ["block", "high", "low"]


def ready(queue: QueueService, *jobs: Job) -> bool:
    marks = ", ".join("?" * len(jobs))
    ids = [job.id for job in jobs]
    [(count,)] = sql(
        queue.database, f"SELECT count(*) FROM job WHERE id IN ({marks}) AND waiting = 0", ids
    )
    return bool(count == len(jobs))


# ---------------------------------------------------------------- another try


def failing(times: int) -> Callable[[QueueService, Any], Any]:
    """A handler that fails on its first `times` attempts, each time in other words."""

    def handler(self: QueueService, item: Any) -> Any:
        attempt = self.current_job.attempt
        if attempt <= times:
            raise ValueError(f"attempt {attempt}")
        return attempt

    return handler


def test_a_job_is_tried_until_it_succeeds(make_queue: MakeQueue) -> None:
    with make_queue(failing(2), max_attempts=3, backoff=0) as queue:
        job = queue.enqueue(1)
        [done] = finished(queue, job)
        assert (done.status, done.result, done.attempt, done.error) == ("completed", 3, 3, None)
        assert events(queue, job) == [
            "enqueue", "start", "retry", "start", "retry", "start", "complete",
        ]  # fmt: skip


def test_each_attempt_s_error_stays_in_the_history(make_queue: MakeQueue) -> None:
    with make_queue(failing(9), max_attempts=3, backoff=0) as queue:
        job = queue.enqueue(1)
        [done] = finished(queue, job)
        assert (done.status, done.attempt) == ("failed", 3)
        assert done.error is not None
        assert (done.error.type, done.error.message) == ("ValueError", "attempt 3")
        told = [(m.event, m.attempt, m.error and m.error.message) for m in queue.history(job.id)]
        assert told == [
            ("enqueue", 0, None),
            ("start", 1, None),
            ("retry", 1, "attempt 1"),
            ("start", 2, None),
            ("retry", 2, "attempt 2"),
            ("start", 3, None),
            ("fail", 3, "attempt 3"),
        ]
        for moved in queue.history(job.id):
            if moved.error is not None:
                assert "in handler" in moved.error.traceback
                assert "sprag/queue" not in moved.error.traceback


def test_a_job_s_own_attempts_and_backoff_win(make_queue: MakeQueue) -> None:
    with make_queue(failing(9), max_attempts=1, backoff=1000) as queue:
        job = queue.enqueue(1, max_attempts=2, backoff=0)
        [done] = finished(queue, job)
        assert (done.status, done.attempt) == ("failed", 2)


def test_an_attempt_waits_for_its_backoff(make_queue: MakeQueue) -> None:
    backoff = Backoff(first=0.2, factor=2, jitter=0)
    with make_queue(failing(2), max_attempts=3, backoff=backoff) as queue:
        job = queue.enqueue(1)
        finished(queue, job)
        moves = queue.history(job.id)
        for retry, start, wanted in ((moves[2], moves[3], 0.2), (moves[4], moves[5], 0.4)):
            assert (retry.event, start.event) == ("retry", "start")
            assert retry.due_at is not None
            assert start.at >= retry.due_at
            # Counted from the failure, which is a little before its commit.
            assert retry.due_at - retry.at <= wanted


def test_a_job_that_waits_for_its_next_attempt_shows_why(make_queue: MakeQueue) -> None:
    seen = Seen()
    with make_queue(failing(1), max_attempts=2, backoff=1000) as queue:
        queue.subscribe(seen)
        job = queue.enqueue(1)
        seen.wait_for(lambda all_: any(signal["event"] == "retry" for signal in all_))
        now = queue.get(job.id)
        assert (now.status, now.attempt) == ("queued", 1)
        assert now.due_at > time.time() + 100
        assert now.error is not None
        assert now.error.message == "attempt 1"
        assert now.started_at is not None
        assert now.finished_at is None


# ---------------------------------------------------------------- cancel and run again


def test_a_queued_job_is_cancelled_at_once(make_queue: MakeQueue) -> None:
    queue = make_queue()
    for delay in (None, 1000):
        job = queue.cancel(queue.enqueue(1, delay=delay).id)
        assert (job.status, job.cancel_requested, job.finished) == ("cancelled", True, True)
        assert job.finished_at is not None
        assert events(queue, job) == ["enqueue", "cancel"]


def test_a_running_job_is_asked_and_gives_way(make_queue: MakeQueue) -> None:
    seen = Seen()
    with make_queue(until_interrupted) as queue:
        queue.subscribe(seen)
        job = queue.enqueue(1)
        seen.wait_status(job.id, "running")
        asked = queue.cancel(job.id)
        assert (asked.status, asked.cancel_requested) in (("cancelling", True), ("cancelled", True))
        [done] = finished(queue, job)
        assert (done.status, done.error, done.result, done.attempt) == ("cancelled", None, None, 1)
        assert events(queue, job) == ["enqueue", "start", "cancel", "confirm"]


def test_a_job_asked_to_cancel_that_completes_is_completed(make_queue: MakeQueue) -> None:
    gate = Gate()

    def handler(self: QueueService, item: Any) -> Any:
        gate.hold()
        return "done"

    with make_queue(handler) as queue:
        job = queue.enqueue(1)
        gate.wait_held()
        assert queue.cancel(job.id).status == "cancelling"
        assert queue.cancel(job.id).status == "cancelling"
        gate.open()
        [done] = finished(queue, job)
        assert (done.status, done.result, done.cancel_requested) == ("completed", "done", False)
        assert events(queue, job) == ["enqueue", "start", "cancel", "complete"]


def test_a_job_asked_to_cancel_that_fails_is_not_tried_again(make_queue: MakeQueue) -> None:
    gate = Gate()

    def handler(self: QueueService, item: Any) -> Any:
        gate.hold()
        raise ValueError("no")

    with make_queue(handler, max_attempts=5, backoff=0) as queue:
        job = queue.enqueue(1)
        gate.wait_held()
        queue.cancel(job.id)
        gate.open()
        [done] = finished(queue, job)
        assert done.status == "failed"
        assert done.error is not None
        assert events(queue, job) == ["enqueue", "start", "cancel", "fail"]


def test_cancelling_what_has_ended_changes_nothing(make_queue: MakeQueue) -> None:
    with make_queue(failing(1), worker_count=1) as queue:
        failed = queue.enqueue(1)
        finished(queue, failed)
        cancelled = queue.cancel(queue.enqueue(2, delay=1000).id)
        for job in (failed, cancelled):
            before, moves = queue.get(job.id), queue.history(job.id)
            assert queue.cancel(job.id) == before
            assert queue.history(job.id) == moves


def test_a_cancelled_job_never_starts(make_queue: MakeQueue) -> None:
    seen = Seen()
    queue = make_queue(lambda self, item: seen(item), worker_count=1)
    jobs = queue.enqueue_many(range(6))
    for job in jobs[::2]:
        queue.cancel(job.id)
    with queue:
        finished(queue, *jobs)
    assert seen.all == [1, 3, 5]


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_a_job_that_ended_badly_can_be_run_again(make_queue: MakeQueue, state: str) -> None:
    queue = make_queue(failing(1))
    job = queue.enqueue(1)
    if state == "cancelled":
        queue.cancel(job.id)
    else:
        # One more attempt than the queue gives: it fails again when it is run again.
        queue.start()
        finished(queue, job)
        queue.stop()
    again = queue.requeue(job.id)
    assert (again.status, again.attempt, again.error, again.finished_at) == (
        "queued",
        0,
        None,
        None,
    )
    assert again.created_at == job.created_at
    with queue:
        [done] = finished(queue, job)
    assert (done.status, done.attempt) == ("failed", 1)
    before = ["enqueue", "start", "fail"] if state == "failed" else ["enqueue", "cancel"]
    assert events(queue, job) == [*before, "requeue", "start", "fail"]


def test_a_requeued_job_has_all_its_attempts_again(make_queue: MakeQueue) -> None:
    with make_queue(failing(9), max_attempts=2, backoff=0) as queue:
        job = queue.enqueue(1)
        finished(queue, job)
        queue.requeue(job.id)
        [done] = finished(queue, job)
        assert done.attempt == 2
        assert events(queue, job).count("start") == 4


def test_a_requeue_forgets_a_delay(make_queue: MakeQueue) -> None:
    queue = make_queue()
    job = queue.enqueue(1, delay=1000)
    queue.cancel(job.id)
    assert queue.requeue(job.id).due_at < time.time() + 1
    with queue:
        assert finished(queue, job)[0].status == "completed"


def test_only_what_ended_badly_is_run_again(make_queue: MakeQueue) -> None:
    gate = Gate()
    with make_queue(lambda self, item: gate.hold(), worker_count=1) as queue:
        running, queued = queue.enqueue(1), queue.enqueue(2)
        gate.wait_held()
        for job, status in ((running, "running"), (queued, "queued")):
            with pytest.raises(IllegalMove) as refusal:
                queue.requeue(job.id)
            assert (refusal.value.job_id, refusal.value.status) == (job.id, status)
            assert refusal.value.allowed == ("failed", "cancelled")
        queue.cancel(running.id)
        with pytest.raises(IllegalMove, match="is cancelling, expected failed or cancelled"):
            queue.requeue(running.id)
        gate.open()
        finished(queue, running)
        with pytest.raises(IllegalMove, match="is completed"):
            queue.requeue(running.id)
        assert events(queue, running) == ["enqueue", "start", "cancel", "complete"]


# ---------------------------------------------------------------- counts and lists


def test_counts_names_all_six_states_of_this_queue_alone(make_queue: MakeQueue) -> None:
    queue, other = make_queue(), make_queue(name="other")
    nothing = dict.fromkeys(
        ["queued", "running", "cancelling", "completed", "failed", "cancelled"], 0
    )
    assert queue.counts() == nothing
    other.enqueue(1)
    assert queue.counts() == nothing


def test_counts_follow_every_state(make_queue: MakeQueue) -> None:
    gate = Gate()

    def handler(self: QueueService, item: str) -> None:
        if item == "fail":
            raise ValueError
        if item == "hold":
            gate.hold()

    with make_queue(handler, worker_count=2) as queue:
        finished(queue, *queue.enqueue_many(["ok", "ok", "ok", "fail", "fail"]))
        held = queue.enqueue_many(["hold", "hold"])
        gate.wait_held(2)
        queue.cancel(held[0].id)
        queued = queue.enqueue_many(["ok"] * 5)
        queue.cancel(queued[0].id)
        assert queue.counts() == {
            "queued": 4, "running": 1, "cancelling": 1, "completed": 3, "failed": 2, "cancelled": 1,
        }  # fmt: skip
        gate.open()


def test_a_list_is_newest_first_and_of_this_queue_alone(make_queue: MakeQueue) -> None:
    queue, other = make_queue(), make_queue(name="other")
    mine = []
    for n in range(5):
        mine.append(queue.enqueue(n).id)
        other.enqueue(n)
    page = queue.jobs()
    assert [job.id for job in page] == mine[::-1]
    assert (len(page), page.next) == (5, None)
    assert page.jobs == tuple(page)


def test_a_list_can_be_of_one_status_or_several(make_queue: MakeQueue) -> None:
    queue = make_queue()
    jobs = queue.enqueue_many(range(6))
    for job in jobs[:3]:
        queue.cancel(job.id)
    ids = [job.id for job in jobs][::-1]
    assert [job.id for job in queue.jobs("queued")] == ids[:3]
    assert [job.id for job in queue.jobs(["cancelled"])] == ids[3:]
    assert [job.id for job in queue.jobs(("cancelled", "queued", "failed"))] == ids
    assert [job.id for job in queue.jobs({"queued", "cancelled"}, limit=4)] == ids[:4]
    assert len(queue.jobs("failed")) == 0
    assert len(queue.jobs(status for status in STATUSES if status == "queued")) == 3


def pages(queue: QueueService, between: Callable[[], Any] = int, **options: Any) -> list[str]:
    """The ids of all pages, one after the other."""
    ids: list[str] = []
    after: str | None = None
    while True:
        page = queue.jobs(after=after, **options)
        ids += [job.id for job in page]
        after = page.next
        if after is None:
            return ids
        assert len(page) == options["limit"]
        between()


def test_pages_miss_and_repeat_nothing_while_jobs_are_added(make_queue: MakeQueue) -> None:
    queue = make_queue()
    jobs = queue.enqueue_many(range(300))
    for job in jobs[::7]:
        queue.cancel(job.id)
    ids = [job.id for job in jobs][::-1]
    assert pages(queue, lambda: queue.enqueue_many("xyz"), limit=7) == ids
    newer = {job.id for job in queue.jobs(limit=10_000)} - set(ids)
    assert len(newer) == 3 * 42
    queued = [id_ for id_ in ids if id_ not in {job.id for job in jobs[::7]}]
    assert [id_ for id_ in pages(queue, limit=11, status="queued") if id_ not in newer] == queued


def test_a_page_that_is_just_full_is_the_last(make_queue: MakeQueue) -> None:
    queue = make_queue()
    queue.enqueue_many(range(10))
    page = queue.jobs(limit=10)
    assert (len(page), page.next) == (10, None)
    page = queue.jobs(limit=9)
    assert len(page) == 9
    last = queue.jobs(limit=9, after=page.next)
    assert (len(last), last.next) == (1, None)
    assert len(queue.jobs(after="0")) == 0


# ---------------------------------------------------------------- wait


def test_wait_returns_what_has_ended_already(make_queue: MakeQueue) -> None:
    queue = make_queue()
    job = queue.cancel(queue.enqueue(1).id)
    assert queue.wait(job.id) == job
    assert queue.wait(job.id, 0) == job


def test_wait_gives_up_in_time_and_says_where_the_job_is(make_queue: MakeQueue) -> None:
    queue = make_queue()
    job = queue.enqueue(1)
    for timeout in (0, 0.05):
        with pytest.raises(WaitTimeout, match="is still queued after") as late:
            queue.wait(job.id, timeout)
        assert (late.value.job_id, late.value.timeout, late.value.status) == (
            job.id, timeout, "queued",
        )  # fmt: skip
        assert isinstance(late.value, TimeoutError)
    assert queue.get(job.id).status == "queued"


def test_wait_in_a_process_that_runs_no_jobs_sees_the_end(
    make_queue: MakeQueue, database: Path
) -> None:
    job = make_queue().enqueue(21)
    with child(PROGRAMS / "doubling.py", database) as process:
        queue = make_queue()
        [done] = finished(queue, job)
        assert (done.status, done.result) == ("completed", 42)
        assert process.stdin is not None
        process.stdin.close()
        process.wait(DEADLINE)


def test_several_threads_may_wait_for_one_job(make_queue: MakeQueue) -> None:
    queue = make_queue()
    job = queue.enqueue("x")
    results: list[Job] = []
    threads = [
        threading.Thread(target=lambda: results.append(queue.wait(job.id, DEADLINE)))
        for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    with queue:
        for thread in threads:
            thread.join(DEADLINE)
    assert [done.result for done in results] == ["x"] * 5


def has_waiters(queue: QueueService) -> bool:
    engine = life_of(queue).engine
    return engine is not None and bool(engine.observers._waiters)


@pytest.mark.parametrize("alone", [True, False])
def test_wait_ends_when_its_queue_is_stopped(make_queue: MakeQueue, *, alone: bool) -> None:
    queue = make_queue()
    if not alone:
        make_queue(name="other").counts()  # keeps the file open
    job = queue.enqueue(1, delay=1000)
    raised: list[Exception] = []
    waits = threading.Event()

    def wait_for_it() -> None:
        queue.counts()
        waits.set()
        try:
            queue.wait(job.id, DEADLINE)
        except (QueueClosed, WaitTimeout) as error:
            raised.append(error)

    thread = threading.Thread(target=wait_for_it)
    thread.start()
    wait(waits)
    wait_until(functools.partial(has_waiters, queue))
    queue.stop()
    thread.join(DEADLINE / 2)
    assert [type(error) for error in raised] == [QueueClosed]


def test_a_stop_may_come_at_any_moment_of_a_first_wait(make_queue: MakeQueue) -> None:
    # What the first wait starts may be there, and not run yet.
    pause = threading.Event()
    for n in range(80):
        queue = make_queue(durability="normal")
        job = queue.enqueue(1, delay=1000)
        raised = Seen()

        def wait_for_it(queue: QueueService, id_: str, raised: Seen) -> None:
            try:
                queue.wait(id_, DEADLINE)
            except QueueClosed as error:
                raised(error)

        thread = threading.Thread(target=wait_for_it, args=(queue, job.id, raised))
        thread.start()
        wait_until(functools.partial(has_waiters, queue))
        pause.wait(n % 20 * 0.0002)
        queue.stop()
        thread.join(DEADLINE)
        assert len(raised.all) == 1


# ---------------------------------------------------------------- stop and start


def test_a_stopped_queue_can_be_used_and_started_again(make_queue: MakeQueue) -> None:
    queue = make_queue()
    with queue:
        finished(queue, queue.enqueue(1))
    job = queue.enqueue(2)
    assert queue.counts()["queued"] == 1
    queue.stop()
    queue.stop()
    with queue:
        assert finished(queue, job)[0].result == 2
        assert queue.start() is queue


@pytest.mark.parametrize("refused", ["sprag-work-2", "sprag-keeper"])
def test_a_start_that_gets_no_thread_leaves_nothing_behind(
    make_queue: MakeQueue, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    begin = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if thread.name == refused:
            raise RuntimeError("can't start new thread")
        begin(thread)

    queue = make_queue()
    with monkeypatch.context() as system:
        system.setattr(threading.Thread, "start", start)
        with pytest.raises(RuntimeError, match="can't start"):
            queue.start()
    wait_until(lambda: not any(t.name.startswith("sprag-work-") for t in threading.enumerate()))
    job = queue.enqueue(1)
    assert queue.get(job.id).status == "queued"
    queue.stop()
    with queue:
        assert finished(queue, job)[0].status == "completed"


def test_stopping_what_never_started_is_fine(make_queue: MakeQueue, database: Path) -> None:
    make_queue().stop()
    assert not database.exists()


def test_a_stop_lets_what_is_being_read_or_written_come_to_its_end(make_queue: MakeQueue) -> None:
    queue = make_queue()
    jobs = queue.enqueue_many(range(300), delay=1000)
    ended = threading.Event()

    def use() -> int:
        stored = 0
        while not ended.is_set():
            try:
                queue.jobs(limit=300)
                queue.enqueue(1, delay=1000)
                stored += 1
                queue.history(jobs[0].id)
            except QueueClosed:
                continue
        return stored

    def stop_again_and_again() -> None:
        for _ in range(60):
            queue.stop()
        ended.set()

    results: list[Any] = []
    threads = [
        *(threading.Thread(target=lambda: results.append(use())) for _ in range(3)),
        threading.Thread(target=stop_again_and_again),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    # Any other error would have ended a thread, and failed the test as an unhandled one.
    assert len(results) == 3
    assert queue.counts()["queued"] >= 300 + sum(results)


def test_a_queue_s_subscriptions_end_with_it(make_queue: MakeQueue) -> None:
    queue, other = make_queue(), make_queue(name="other")
    other.counts()  # keeps the file open
    seen = Seen()
    queue.subscribe(seen)
    job = queue.enqueue(1)
    seen.wait_status(job.id, "queued")
    queue.stop()
    after = Seen()
    again = make_queue()
    again.subscribe(after)
    job = again.enqueue(2)
    after.wait_status(job.id, "queued")
    assert len(seen.all) == 1


# ---------------------------------------------------------------- prune


def prunable(queue: QueueService, count: int, **options: Any) -> list[Job]:
    """Cancelled jobs: two transitions each."""
    return [queue.cancel(job.id) for job in queue.enqueue_many(range(count), **options)]


def test_prune_keeps_the_newest(make_queue: MakeQueue, database: Path) -> None:
    queue = make_queue()
    jobs = prunable(queue, 10)
    live = queue.enqueue_many(range(3))
    assert queue.prune(keep=4) == 6
    for job in jobs[:6]:
        with pytest.raises(JobNotFound):
            queue.get(job.id)
    assert [queue.get(job.id).status for job in jobs[6:]] == ["cancelled"] * 4
    assert [queue.get(job.id).status for job in live] == ["queued"] * 3
    assert queue.prune(keep=4) == 0
    assert sql(database, "SELECT pruned FROM counter") == [(12,)]


def test_prune_counts_the_newest_over_all_ways_to_end(make_queue: MakeQueue) -> None:
    def handler(self: QueueService, item: int) -> None:
        if item % 2:
            raise ValueError

    with make_queue(handler, worker_count=1) as queue:
        jobs = queue.enqueue_many(range(8))
        finished(queue, *jobs)
        jobs += prunable(queue, 2, delay=100)
        queue.enqueue(0, delay=100)
        assert queue.prune(keep=5) == 5
        assert [job.id for job in queue.jobs(["completed", "failed", "cancelled"])] == [
            job.id for job in jobs[:4:-1]
        ]


def test_prune_by_age_looks_at_the_end_not_at_the_beginning(
    make_queue: MakeQueue, database: Path
) -> None:
    queue = make_queue()
    queue.counts()
    sql(
        database,
        "INSERT INTO job (queue, item, created_at) VALUES ('work', '1', ?) RETURNING id",
        (time.time() - 1000,),
    )
    old = queue.cancel(queue.jobs().jobs[0].id)
    young = queue.cancel(queue.enqueue(2).id)
    queue.enqueue(3)
    assert queue.prune(older_than=500) == 0
    # Its end, too, was long ago.
    sql(database, "UPDATE job SET moved_at = moved_at - 1000 WHERE id = ?", (old.id,))
    assert queue.prune(older_than=timedelta(seconds=1500)) == 0
    assert queue.prune(older_than=timedelta(seconds=500)) == 1
    with pytest.raises(JobNotFound):
        queue.get(old.id)
    assert queue.get(young.id) == young
    assert queue.prune(older_than=0) == 1


def test_prune_by_age_or_count(make_queue: MakeQueue) -> None:
    queue = make_queue()
    prunable(queue, 10)
    queue.enqueue(1)
    assert queue.prune(older_than=1000, keep=7) == 3
    assert queue.prune(older_than=0, keep=7) == 7


def test_prune_takes_history_and_progress_along(make_queue: MakeQueue, database: Path) -> None:
    def handler(self: QueueService, item: Any) -> None:
        self.report_progress(1, 2)

    with make_queue(handler) as queue:
        finished(queue, *queue.enqueue_many(range(20)))
        kept = queue.enqueue(1, delay=1000)
        assert sql(database, "SELECT count(*) FROM progress") == [(20,)]
        assert queue.prune(keep=0) == 20
        assert sql(database, "SELECT count(*) FROM progress") == [(0,)]
        assert sql(database, "SELECT job.id FROM transition JOIN job ON job.key = job") == [
            (kept.id,)
        ]
        assert sql(database, "SELECT count(*) FROM transition") == [(1,)]


def test_prune_leaves_the_newest_transition_and_seq_goes_on(
    make_queue: MakeQueue, database: Path
) -> None:
    queue = make_queue()
    jobs = prunable(queue, 5)
    assert queue.prune(keep=0) == 4
    assert queue.get(jobs[-1].id).status == "cancelled"
    [newest] = [moved for moved in queue.history(jobs[-1].id) if moved.event == "cancel"]
    assert newest.seq == 10
    queue.stop()
    job = queue.enqueue(1)
    assert [moved.seq for moved in queue.history(job.id)] == [11]
    assert queue.prune(keep=0) == 1
    [(newest_seq, present, pruned)] = sql(
        database, "SELECT max(seq), count(*), (SELECT pruned FROM counter) FROM transition"
    )
    assert newest_seq == present + pruned


def test_prune_is_of_one_queue(make_queue: MakeQueue) -> None:
    queue, other = make_queue(), make_queue(name="other")
    theirs = prunable(other, 5)
    prunable(queue, 5)
    other.enqueue(1)
    assert queue.prune(keep=0) == 5
    assert [other.get(job.id).status for job in theirs] == ["cancelled"] * 5


def test_prune_takes_thousands_in_several_commits(make_queue: MakeQueue) -> None:
    with make_queue() as queue:
        jobs = queue.enqueue_many(range(1700))
        finished(queue, jobs[-1], *jobs)
        queue.enqueue(1, delay=100)
        assert queue.prune(keep=100) == 1600
        assert queue.counts()["completed"] == 100
        assert [job.id for job in queue.jobs("completed", limit=100)] == [
            job.id for job in jobs[:-101:-1]
        ]


def test_prune_beside_running_work_loses_no_live_job(make_queue: MakeQueue) -> None:
    with make_queue(max_attempts=2, backoff=0) as queue:
        pruned = 0
        jobs: list[Job] = []
        for _ in range(15):
            jobs += queue.enqueue_many(range(30))
            pruned += queue.prune(keep=5)
        for job in jobs:
            try:
                queue.wait(job.id, DEADLINE)
            except JobNotFound:
                continue
        assert pruned + stored(queue) == len(jobs)
        assert queue.counts()["completed"] == stored(queue)


# ---------------------------------------------------------------- several queues and processes


def test_queues_of_different_names_share_a_file(make_queue: MakeQueue) -> None:
    with (
        make_queue(lambda self, item: ("one", item)) as one,
        make_queue(lambda self, item: ("two", item), name="two") as two,
    ):
        ones, twos = one.enqueue_many([1, 2]), two.enqueue_many([1, 2])
        assert [job.result for job in finished(one, *ones)] == [("one", 1), ("one", 2)]
        assert [job.result for job in finished(two, *twos)] == [("two", 1), ("two", 2)]


def test_a_job_of_another_process_is_run_here(make_queue: MakeQueue, database: Path) -> None:
    with make_queue() as queue:
        id_ = said(PROGRAMS / "sends.py", database)
        [job] = finished(queue, id_)
        assert (job.status, job.result) == ("completed", {"from": "afar"})


def test_a_queue_of_the_same_file_must_have_the_same_durability(make_queue: MakeQueue) -> None:
    queue = make_queue()
    queue.counts()
    other = make_queue(name="other", durability="normal")
    with pytest.raises(ConfigurationError, match=r"durability='full'.*got 'normal'"):
        other.enqueue(1)
    queue.stop()
    other.enqueue(1)


def test_the_same_item_in_another_order_of_keys_is_the_same_job(make_queue: MakeQueue) -> None:
    queue, id_ = make_queue(), new_job_id()
    first = queue.enqueue({"a": 1, "b": [2]}, job_id=id_)
    assert queue.enqueue({"b": [2], "a": 1}, job_id=id_) == first._replace(existing=True)
    with pytest.raises(JobExists):
        queue.enqueue({"b": [2], "a": True}, job_id=id_)


def test_a_start_that_fails_leaves_nothing_open(make_queue: MakeQueue, database: Path) -> None:
    in_the_way = Path(f"{database}-sprag")
    in_the_way.write_text("no folder")
    queue = make_queue()
    for _ in range(2):
        with pytest.raises(DatabaseReadOnly), queue:
            pass
        assert life_of(queue).engine is None
    in_the_way.unlink()
    database.unlink()
    with queue:  # another file by now, which this process has not open
        assert finished(queue, queue.enqueue("runs"))[0].status == "completed"
