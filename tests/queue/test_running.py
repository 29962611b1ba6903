"""Inside a handler: progress, cancellation, and the handle that other threads may have."""

from __future__ import annotations

import asyncio
import math
import operator
import threading
from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction
from numbers import Complex
from pathlib import Path
from typing import Any

import pytest

from sprag.queue import (
    JobCancelled,
    JobInterrupted,
    JobReleased,
    NoRunningJob,
    Progress,
    QueueService,
    RunningJob,
)
from sprag.queue.store.tickets import Run
from sprag.queue.work.coroutines import HandlerLoop
from sprag.queue.work.execution import Handler, execute
from sprag.queue.work.policy import Policy
from tests.conftest import MakeQueue
from tests.support import (
    DEADLINE,
    Gate,
    Seen,
    finished,
    named,
    raw,
    sql,
    until_interrupted,
    wait,
    wait_until,
)  # fmt: skip


def progress_of(make_queue: MakeQueue, **said: Any) -> Progress | None:
    """What is stored of one report."""

    def handler(self: QueueService, item: Any) -> None:
        self.report_progress(**said)

    with make_queue(handler) as queue:
        [done] = finished(queue, queue.enqueue(1))
        assert done.status == "completed", done.error
        return done.progress


# ---------------------------------------------------------------- progress


class Int64:
    """As numpy.int64: no int, but like one."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __index__(self) -> int:
        return int(self.value)


class Float32:
    def __init__(self, value: Any) -> None:
        self.value = value

    def __float__(self) -> float:
        return float(self.value)


class bool_(Float32):  # noqa: N801  # numpy's name for it
    pass


@Complex.register
class Complex64(Float32):
    """As numpy has it: float() would drop half of it."""


class Array(Float32):
    """As an array of numpy: what it can be depends on what is in it."""

    def __index__(self) -> int:
        return operator.index(self.value)


class Float64(float):
    __slots__ = ()


class Steps(IntEnum):
    TWO = 2


class Markup(str):
    __slots__ = ()

    def __getitem__(self, key: Any) -> Markup:
        raise AssertionError("what is stored is plain text")


@pytest.mark.parametrize(
    ("said", "stored"),
    [
        ({"current": 1, "total": 4}, Progress(1, 4, 25.0, None)),
        ({"current": 3, "total": 3, "message": "Saving…"}, Progress(3, 3, 100.0, "Saving…")),
        ({"current": 5}, Progress(5, None, None, None)),
        ({"total": 5}, Progress(None, 5, None, None)),
        ({"percent": 12.5}, Progress(None, None, 12.5, None)),
        ({"percent": 150}, Progress(None, None, 100.0, None)),
        ({"percent": -1}, Progress(None, None, 0.0, None)),
        ({"current": 1, "total": 2, "percent": 10}, Progress(1, 2, 10, None)),
        ({"current": 9, "total": 3}, Progress(9, 3, 100.0, None)),
        ({"current": -9, "total": 3}, Progress(-9, 3, 0.0, None)),
        ({"current": 1, "total": 0}, Progress(1, 0, None, None)),
        ({"current": 0.25, "total": 0.5}, Progress(0.25, 0.5, 50.0, None)),
        ({"current": 2**53, "total": 2**53}, Progress(2**53, 2**53, 100.0, None)),
        ({"message": "only words"}, Progress(None, None, None, "only words")),
        ({"message": ""}, Progress(None, None, None, "")),
        ({}, Progress(None, None, None, None)),
        ({"message": "x" * 5000}, Progress(None, None, None, "x" * 1000)),
        ({"message": "lone \ud800"}, Progress(None, None, None, "lone \\ud800")),
        # As numpy, torch, decimal and fractions have them.
        ({"current": Int64(3), "total": Int64(4)}, Progress(3, 4, 75.0, None)),
        ({"current": Float32(0.5), "total": Float32(2)}, Progress(0.5, 2.0, 25.0, None)),
        ({"percent": Float32(12.5)}, Progress(None, None, 12.5, None)),
        ({"current": Array(2.5), "total": Array(5)}, Progress(2.5, 5, 50.0, None)),
        ({"current": Float64(1.5)}, Progress(1.5, None, None, None)),
        ({"current": Steps.TWO, "total": 4}, Progress(2, 4, 50.0, None)),
        ({"current": Decimal("0.5"), "total": Fraction(1, 4)}, Progress(0.5, 0.25, 100.0, None)),
        ({"percent": Decimal(50)}, Progress(None, None, 50.0, None)),
        ({"message": Markup("<b>")}, Progress(None, None, None, "<b>")),
    ],
    ids=named,
)
def test_a_report_is_stored_before_the_outcome(
    make_queue: MakeQueue, said: dict[str, Any], stored: Progress
) -> None:
    assert progress_of(make_queue, **said) == stored


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ({"current": "1"}, TypeError),
        ({"current": True}, TypeError),
        ({"total": [1]}, TypeError),
        ({"percent": "50"}, TypeError),
        ({"message": 5}, TypeError),
        ({"message": b"x"}, TypeError),
        ({"current": math.nan}, ValueError),
        ({"total": math.inf}, ValueError),
        ({"percent": math.nan}, ValueError),
        ({"current": 2**53 + 1}, ValueError),
        ({"current": 1, "total": -(2**60)}, ValueError),
        ({"percent": 10**400}, ValueError),
        ({"current": Int64(2**60)}, ValueError),
        ({"current": Float32(math.nan)}, ValueError),
        ({"percent": Float64(math.inf)}, ValueError),
        ({"current": Decimal("NaN")}, ValueError),
        ({"current": Decimal("sNaN")}, ValueError),
        ({"total": Fraction(10**400)}, ValueError),
        ({"current": Array([1, 2])}, TypeError),
        ({"current": bool_(True)}, TypeError),
        ({"current": b"1"}, TypeError),
        ({"current": 1j}, TypeError),
        ({"current": Complex64(1)}, TypeError),
        ({"current": timedelta(1)}, TypeError),
    ],
    ids=named,
)
def test_a_report_of_what_is_no_number_or_text_raises_in_the_handler(
    make_queue: MakeQueue, said: dict[str, Any], kind: type[Exception]
) -> None:
    caught = Seen()

    def handler(self: QueueService, item: Any) -> None:
        self.report_progress(1, 2)
        try:
            self.report_progress(**said)
        except (TypeError, ValueError) as error:
            caught(error)

    with make_queue(handler) as queue:
        [done] = finished(queue, queue.enqueue(1))
    assert [type(error) for error in caught.all] == [kind]
    assert next(iter(said)) in str(caught.all[0]) or "total" in str(caught.all[0])
    # The report before it stands.
    assert done.progress == Progress(1, 2, 50.0, None)


def test_the_latest_report_is_what_is_stored(make_queue: MakeQueue, database: Path) -> None:
    def handler(self: QueueService, item: Any) -> None:
        for n in range(5000):
            self.report_progress(n + 1, 5000, message=f"step {n}")

    with make_queue(handler) as queue:
        [done] = finished(queue, queue.enqueue(1))
        assert done.progress == Progress(5000, 5000, 100.0, "step 4999")
        assert len(queue.history(done.id)) == 3
    assert sql(database, "SELECT count(*) FROM progress") == [(1,)]


def test_progress_can_be_seen_while_the_handler_runs(make_queue: MakeQueue) -> None:
    gate, seen = Gate(), Seen()

    def handler(self: QueueService, item: Any) -> None:
        self.report_progress(1, 4, message="begun")
        gate.hold()

    with make_queue(handler) as queue:
        queue.subscribe(seen)
        job = queue.enqueue(1)
        gate.wait_held()
        signals = seen.wait_for(lambda all_: any(s["event"] == "progress" for s in all_))
        [signal] = [s for s in signals if s["event"] == "progress"]
        assert (signal["job_id"], signal["status"], signal["attempt"]) == (job.id, "running", 1)
        assert signal["progress"] == {
            "current": 1, "total": 4, "percent": 25.0, "message": "begun",
        }  # fmt: skip
        now = queue.get(job.id)
        assert (now.status, now.progress) == ("running", Progress(1, 4, 25.0, "begun"))
        gate.open()
        finished(queue, job)


def test_a_report_that_finds_the_file_locked_is_stored_afterwards(
    make_queue: MakeQueue, database: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ready, reported = Gate(), Gate()

    def handler(self: QueueService, item: Any) -> None:
        ready.hold()
        self.report_progress(1, 4)
        reported.hold()

    with make_queue(handler, busy_seconds=0.05) as queue:
        job = queue.enqueue(1)
        ready.wait_held()
        with raw(database) as other:
            other.execute("BEGIN IMMEDIATE")
            ready.open()
            wait_until(lambda: "cannot be watched" in caplog.text)
        wait_until(lambda: queue.get(job.id).progress is not None)
        assert queue.get(job.id).status == "running"
        reported.open()
        finished(queue, job)


def test_each_of_four_workers_reports_for_its_own_job(make_queue: MakeQueue) -> None:
    together = threading.Barrier(4)

    def handler(self: QueueService, item: int) -> str:
        together.wait(DEADLINE)
        for n in range(200):
            self.report_progress(n, 1000, message=f"job {item}")
        together.wait(DEADLINE)
        return self.current_job.id

    with make_queue(handler, worker_count=4) as queue:
        jobs = finished(queue, *queue.enqueue_many(range(16)))
    for job in jobs:
        assert job.result == job.id
        assert job.progress is not None
        assert job.progress.message == f"job {job.item}"


def test_a_new_attempt_begins_without_the_last_one_s_progress(make_queue: MakeQueue) -> None:
    gate = Gate()

    def handler(self: QueueService, item: Any) -> None:
        if self.current_job.attempt == 1:
            self.report_progress(9, 10)
            raise ValueError
        gate.hold()

    with make_queue(handler, max_attempts=2, backoff=0) as queue:
        job = queue.enqueue(1)
        gate.wait_held()
        assert queue.get(job.id).progress is None
        gate.open()
        assert finished(queue, job)[0].progress is None


def test_a_failed_job_shows_how_far_it_came(make_queue: MakeQueue) -> None:
    def handler(self: QueueService, item: Any) -> None:
        self.report_progress(7, 10)
        raise ValueError

    with make_queue(handler) as queue:
        [done] = finished(queue, queue.enqueue(1))
        assert done.progress == Progress(7, 10, 70.0, None)


# ---------------------------------------------------------------- the handle


def test_the_handle_knows_its_job(make_queue: MakeQueue) -> None:
    def handler(self: QueueService, item: Any) -> Any:
        handle = self.current_job
        assert isinstance(handle, RunningJob)
        assert not handle.cancel_requested
        return [handle.id, handle.queue, handle.attempt, handle.item]

    with make_queue(handler) as queue:
        job = queue.enqueue({"a": (1,)})
        assert finished(queue, job)[0].result == [job.id, "work", 1, {"a": (1,)}]


def test_a_handler_s_thread_has_no_job_of_its_own(make_queue: MakeQueue) -> None:
    raised = Seen()

    def handler(self: QueueService, item: Any) -> None:
        def in_thread() -> None:
            for use in (self.check_cancelled, self.report_progress, lambda: self.current_job):
                try:
                    use()
                except NoRunningJob as error:
                    raised(error)

        thread = threading.Thread(target=in_thread)
        thread.start()
        thread.join()

    with make_queue(handler) as queue:
        assert finished(queue, queue.enqueue(1))[0].status == "completed"
    assert len(raised.all) == 3
    assert "self.current_job" in str(raised.all[0])


def test_outside_a_handler_there_is_no_running_job(make_queue: MakeQueue) -> None:
    queue = make_queue().start()
    for use in (queue.check_cancelled, queue.report_progress, lambda: queue.current_job):
        with pytest.raises(NoRunningJob, match="expected to be called inside handle_item"):
            use()


def test_the_handle_can_be_passed_to_threads(make_queue: MakeQueue) -> None:
    started = threading.Event()

    def handler(self: QueueService, item: Any) -> str:
        handle = self.current_job
        results = Seen()

        def in_thread(n: int) -> None:
            handle.report_progress(n, 3, message=f"thread of {item}")
            started.set()
            try:
                until_interrupted(handle)  # type: ignore[arg-type]  # it has what is asked of it
            except JobCancelled as error:
                results(error.job_id)

        threads = [threading.Thread(target=in_thread, args=(n,)) for n in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results.all == [handle.id] * 3
        return "all threads learned of it"

    with make_queue(handler) as queue:
        job = queue.enqueue("a")
        wait(started)
        queue.cancel(job.id)
        [done] = finished(queue, job)
        assert (done.status, done.result) == ("completed", "all threads learned of it")
        assert done.progress is not None
        assert done.progress.message == "thread of a"


def test_a_handle_used_after_its_job_ended_changes_nothing(make_queue: MakeQueue) -> None:
    handles = Seen()

    def handler(self: QueueService, item: Any) -> None:
        self.report_progress(1, 2)
        handles(self.current_job)

    with make_queue(handler) as queue:
        job = queue.enqueue(1)
        [done] = finished(queue, job)
        [handle] = handles.all
        handle.report_progress(2, 2)
        handle.check_cancelled()
        # A later job's progress is stored after what the handle may have left behind.
        finished(queue, queue.enqueue(2))
        assert queue.get(job.id) == done


def test_two_queues_in_one_handler_report_for_the_job_that_runs(make_queue: MakeQueue) -> None:
    other = make_queue(name="other")

    def handler(self: QueueService, item: Any) -> str:
        other.report_progress(1, 2)
        return other.current_job.queue

    with make_queue(handler) as queue:
        [done] = finished(queue, queue.enqueue(1))
    assert done.result == "work"
    assert done.progress == Progress(1, 2, 50.0, None)


# ---------------------------------------------------------------- cancellation


def test_only_the_job_that_was_asked_gives_way(make_queue: MakeQueue) -> None:
    gate = Gate()

    def handler(self: QueueService, item: Any) -> str:
        gate.hold()
        self.check_cancelled()
        assert not self.current_job.cancel_requested
        return "went on"

    with make_queue(handler, worker_count=4) as queue:
        jobs = queue.enqueue_many(range(4))
        gate.wait_held(4)
        queue.cancel(jobs[2].id)
        gate.open()
        done = finished(queue, *jobs)
    assert [job.status for job in done] == ["completed", "completed", "cancelled", "completed"]


def test_an_except_exception_does_not_swallow_a_cancellation(make_queue: MakeQueue) -> None:
    gate = Gate()

    def handler(self: QueueService, item: Any) -> str:
        gate.hold()
        try:
            self.check_cancelled()
        except Exception:  # noqa: BLE001 - what many handlers do
            return "swallowed"
        return "not asked"

    with make_queue(handler) as queue:
        job = queue.enqueue(1)
        gate.wait_held()
        queue.cancel(job.id)
        gate.open()
        assert finished(queue, job)[0].status == "cancelled"


def test_a_cancellation_names_its_job() -> None:
    error = JobCancelled("abc")
    assert isinstance(error, JobInterrupted)
    assert not isinstance(error, Exception)
    assert error.job_id == "abc"
    assert str(error) == "job 'abc' was asked to cancel"


@pytest.mark.parametrize("kinds", [(JobCancelled, JobReleased), (JobReleased, JobCancelled)])
def test_a_cancellation_is_not_overruled_by_the_end_of_the_queue(kinds: Any) -> None:
    told = Seen()
    job = RunningJob(Run(1, 1, "a" * 32, 1, 1, None, b"1"), "work", told)
    job.check_cancelled()
    for kind in kinds:
        job.interrupt(kind)
        with pytest.raises(kind if kind is kinds[0] else JobCancelled):
            job.check_cancelled()
    assert job.cancel_requested
    assert not job.release_requested


def test_a_job_cancelled_while_it_gives_way_to_a_stop_gives_way() -> None:
    job = RunningJob(Run(1, 1, "a" * 32, 1, 1, None, b"1"), "work", Seen())

    def handler(item: Any) -> None:
        try:
            job.interrupt(JobReleased)
            job.check_cancelled()
        finally:
            job.interrupt(JobCancelled)  # someone cancels it while it cleans up

    async def in_a_loop(item: Any) -> None:
        try:
            job.interrupt(JobReleased)
            await asyncio.sleep(DEADLINE)
        finally:
            job.interrupt(JobCancelled)

    # Where it is cancelling, a release is stored as the confirmation.
    assert execute(job, Handler(handler, Policy()), 1000).event == "release"
    job = RunningJob(job.run, "work", Seen())
    with closing(HandlerLoop()) as loop:
        called = Handler(lambda item: loop.call(in_a_loop, item), Policy())
        done = execute(job, called, 1000)
    assert done.event == "confirm"


def test_a_cancellation_that_nobody_asked_for_is_a_failure(make_queue: MakeQueue) -> None:
    def handler(self: QueueService, item: Any) -> None:
        raise JobCancelled(self.current_job.id)

    with make_queue(handler) as queue:
        [done] = finished(queue, queue.enqueue(1))
        assert done.status == "failed"
        assert done.error is not None
        assert done.error.type == "JobCancelled"


def test_cleaning_up_after_a_cancellation_is_part_of_the_job(make_queue: MakeQueue) -> None:
    cleaned, gate = threading.Event(), Gate()

    def handler(self: QueueService, item: Any) -> None:
        try:
            gate.hold()
            self.check_cancelled()
        finally:
            cleaned.set()

    with make_queue(handler) as queue:
        job = queue.enqueue(1)
        gate.wait_held()
        queue.cancel(job.id)
        gate.open()
        assert finished(queue, job)[0].status == "cancelled"
        assert cleaned.is_set()


def test_a_job_cancelled_by_another_program_learns_of_it(
    make_queue: MakeQueue, database: Path
) -> None:
    seen = Seen()
    with make_queue(until_interrupted) as queue:
        queue.subscribe(seen)
        job = queue.enqueue(1)
        seen.wait_status(job.id, "running")
        sql(
            database,
            "UPDATE job SET status = 'cancelling', event = 'cancel' WHERE id = ?",
            (job.id,),
        )
        assert finished(queue, job)[0].status == "cancelled"
