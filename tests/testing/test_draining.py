"""Running jobs in the calling thread: as in a worker, in everything that is stored."""

from __future__ import annotations

import asyncio
import threading
import traceback
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest

from sprag import Every, QueueService, Retry, task
from sprag.queue import ConfigurationError, Fail, IllegalMove, Job, JobError, JobNotFound
from sprag.testing import Clock, drain, run_one
from tests.conftest import MakeQueue


class Mail(QueueService):
    """Notes in which thread it did what."""

    name = "mail"
    backoff = 60

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.seen: list[tuple[Any, threading.Thread]] = []
        self.told: list[tuple[Job, JobError]] = []

    def handle_item(self, item: Any) -> Any:
        self.seen.append((item, threading.current_thread()))
        if isinstance(item, BaseException):
            raise item
        return item

    @task
    def chain(self, count: int) -> int:
        if count:
            self.chain.enqueue(count - 1)
        return count

    @task(max_attempts=3)
    def flaky(self) -> str:
        job = self.current_job
        self.report_progress(job.attempt, 3)
        if job.attempt < 3:
            raise ConnectionError(f"attempt {job.attempt}")
        return "at last"

    @task
    async def later(self, word: str) -> str:
        await asyncio.sleep(0)
        self.report_progress(message=word)
        return word * 2

    def on_failure(self, job: Job, error: JobError) -> None:
        self.told.append((job, error))


@pytest.fixture
def mail(make_queue: MakeQueue) -> Mail:
    queue = make_queue(Mail)
    assert isinstance(queue, Mail)
    return queue


def test_drain_runs_what_is_ready_in_the_calling_thread_in_the_order_of_the_claim(
    mail: Mail,
) -> None:
    mail.enqueue("second")
    mail.enqueue("first", priority=1)
    mail.enqueue("another day", delay="1d")
    done = drain(mail)
    assert [(job.item, job.result, job.status) for job in done] == [
        ("first", "first", "completed"),
        ("second", "second", "completed"),
    ]
    assert done == [mail.get(job.id) for job in done]
    assert {thread for _, thread in mail.seen} == {threading.current_thread()}
    assert mail.counts()["queued"] == 1
    assert drain(mail) == []


def test_drain_runs_what_handlers_enqueue(mail: Mail) -> None:
    mail.chain.enqueue(3)
    assert [job.result for job in drain(mail)] == [3, 2, 1, 0]


def test_drain_gives_up_on_jobs_that_enqueue_themselves_for_ever(mail: Mail) -> None:
    mail.chain.enqueue(10**6)
    with pytest.raises(RuntimeError, match="drain: 21 attempts were made, and jobs of 'mail' are"):
        drain(mail, most=20)


def test_a_retry_waits_for_its_due_time_which_a_clock_may_skip(mail: Mail) -> None:
    clock = Clock()
    clock.rule(mail)
    job = mail.flaky.enqueue()
    assert drain(mail) == []
    assert mail.get(job.id).error == JobError(
        "ConnectionError",
        "attempt 1",
        mail.history(job.id)[-1].error.traceback,  # type: ignore[union-attr]
    )
    clock.forward(59)
    assert drain(mail) == []
    clock.forward(1)
    assert drain(mail) == []
    assert [done.result for done in drain(mail, forward="1m")] == ["at last"]
    history = mail.history(job.id)
    assert [(move.event, move.at - job.created_at) for move in history] == [
        ("enqueue", 0), ("start", 0), ("retry", 0), ("start", 60), ("retry", 60), ("start", 120),
        ("complete", 120),
    ]  # fmt: skip


def test_drain_forward_runs_each_job_at_its_due_time_and_ends_at_the_end(mail: Mail) -> None:
    clock = Clock(1_000_000_000)
    clock.rule(mail)
    mail.enqueue("later", delay="3h")
    mail.enqueue("sooner", delay="2h")
    mail.enqueue("too late", delay="5h")
    done = drain(mail, forward="4h")
    assert [(job.item, job.started_at) for job in done] == [
        ("sooner", 1_000_007_200.0),
        ("later", 1_000_010_800.0),
    ]
    assert clock() == 1_000_014_400


def test_drain_forward_needs_a_clock_that_can_be_set(mail: Mail) -> None:
    with pytest.raises(ConfigurationError, match=r"call Clock\(\).rule\(queue\) first"):
        drain(mail, forward="1h")


def test_progress_and_async_handlers_are_as_in_a_worker(mail: Mail) -> None:
    mail.later.enqueue("ho")
    [job] = drain(mail)
    assert (job.result, job.progress and job.progress.message) == ("hoho", "ho")


def test_a_handler_that_is_asked_to_cancel_gives_way(make_queue: MakeQueue) -> None:
    def handle(self: QueueService, item: Any) -> None:
        self.cancel(self.current_job.id)
        self.check_cancelled()

    queue = make_queue(handle)
    queue.enqueue(1)
    [job] = drain(queue, raising=True)
    assert job.status == "cancelled"


def test_an_error_is_stored_told_and_kept_from_the_test(mail: Mail) -> None:
    mail.enqueue("good")
    job = mail.chain.enqueue("not a number")  # type: ignore[arg-type]  # that is the mistake
    done = drain(mail)
    assert {each.status for each in done} == {"completed", "failed"}
    [(failed, error)] = mail.told
    assert failed == mail.get(job.id)
    assert error.type == "TypeError"


def raise_deep() -> None:
    raise LookupError("deep")


def failing(error: BaseException | None = None) -> Callable[[Any, Any], Any]:
    def handle(queue: QueueService, item: Any) -> None:
        if error is not None:
            raise error
        raise_deep()

    return handle


def test_with_raising_the_original_error_is_raised_once_it_is_stored(
    make_queue: MakeQueue,
) -> None:
    queue = make_queue(failing(), max_attempts=2)
    job = queue.enqueue(1)
    with pytest.raises(LookupError, match="deep") as caught:
        drain(queue, raising=True)
    assert "raise_deep" in [frame.name for frame in traceback.extract_tb(caught.tb)]
    assert (queue.get(job.id).status, queue.get(job.id).attempt) == ("queued", 1)
    with pytest.raises(LookupError, match="deep"):
        run_one(queue, job, raising=True)
    assert queue.get(job.id).status == "failed"


@pytest.mark.parametrize(
    ("error", "escapes", "status"),
    [
        (Retry(after=30), False, "queued"),
        (Fail("no use"), True, "failed"),
        (SystemExit(1), True, "failed"),
        (asyncio.CancelledError(), True, "failed"),
    ],
)
def test_raising_passes_over_what_is_no_failure(
    make_queue: MakeQueue, error: BaseException, escapes: bool, status: str
) -> None:
    queue = make_queue(failing(error), max_attempts=2, fail_on=(SystemExit, asyncio.CancelledError))
    job = queue.enqueue(1)
    if escapes:
        with pytest.raises(type(error)):
            drain(queue, raising=True)
    else:
        assert drain(queue, raising=True) == []
    assert queue.get(job.id).status == status


@pytest.mark.parametrize("error", [KeyboardInterrupt(), pytest.fail.Exception("no")])
def test_what_ends_a_test_is_never_kept_from_it(
    make_queue: MakeQueue, error: BaseException
) -> None:
    queue = make_queue(failing(error))
    job = queue.enqueue(1)
    with pytest.raises(type(error)):
        drain(queue)
    assert queue.get(job.id).status == "failed"


def test_a_handler_sees_no_context_of_the_test(make_queue: MakeQueue) -> None:
    word = ContextVar("word", default="none")
    word.set("the test's")
    queue = make_queue(lambda self, item: word.get())
    queue.enqueue(1)
    assert [job.result for job in drain(queue)] == ["none"]


def test_a_handler_that_waits_for_a_job_that_nobody_runs_is_told_so(
    make_queue: MakeQueue,
) -> None:
    def handle(self: QueueService, item: Any) -> Any:
        return self.wait(self.enqueue("inner").id).result if item == "outer" else item

    queue = make_queue(handle)
    queue.enqueue("outer")
    outer, inner = drain(queue)
    assert (outer.error and outer.error.type, inner.result) == ("WaitInsideHandler", "inner")


def test_run_one_makes_one_attempt_at_the_next_job_or_at_the_given_one(mail: Mail) -> None:
    first, second = mail.enqueue_many(["first", "second"])
    third = mail.enqueue("third", delay="1d")
    assert run_one(mail, second.id).result == "second"
    assert run_one(mail, third).result == "third"
    assert run_one(mail).id == first.id
    with pytest.raises(LookupError, match="no job of queue 'mail' is ready"):
        run_one(mail)


def test_run_one_refuses_jobs_that_it_cannot_run(mail: Mail, make_queue: MakeQueue) -> None:
    job = mail.enqueue("done")
    drain(mail)
    with pytest.raises(IllegalMove):
        run_one(mail, job)
    with pytest.raises(JobNotFound):
        run_one(mail, "0" * 32)
    plain = make_queue(failing(), name="mail")
    with pytest.raises(ConfigurationError, match="belongs to the task 'flaky', which TestQueue"):
        run_one(plain, mail.flaky.enqueue())


class Scheduled(QueueService):
    """Enqueues by itself."""

    name = "scheduled"
    schedules = (Every(minutes=10, item="ten", name="ten"),)

    def handle_item(self, item: Any) -> Any:
        return item


def test_schedules_enqueue_each_slot_that_the_clock_passes(make_queue: MakeQueue) -> None:
    queue = make_queue(Scheduled)
    clock = Clock(1_000_000_200)
    clock.rule(queue)
    assert drain(queue) == []
    done = drain(queue, forward="1h")
    assert [(job.item, job.started_at) for job in done] == [
        ("ten", 1_000_000_200.0 + slot) for slot in range(600, 3601, 600)
    ]
    assert drain(queue) == []


def test_a_schedule_that_was_due_while_nothing_ran_enqueues_one_job(
    make_queue: MakeQueue,
) -> None:
    queue = make_queue(Scheduled)
    clock = Clock(1_000_000_200)
    clock.rule(queue)
    assert drain(queue) == []
    clock.forward("1h")
    assert run_one(queue).item == "ten"
    assert drain(queue) == []


def test_a_paused_queue_runs_nothing(mail: Mail) -> None:
    mail.enqueue("later")
    mail.pause("a reason")
    assert drain(mail) == []
    mail.resume()
    assert len(drain(mail)) == 1


def test_a_queue_whose_workers_run_is_refused(mail: Mail) -> None:
    with mail, pytest.raises(ConfigurationError, match="expected a queue that is not started"):
        drain(mail)


def test_a_queue_without_a_handler_is_refused(make_queue: MakeQueue) -> None:
    only_enqueues = make_queue(QueueService, name="mail")
    with pytest.raises(ConfigurationError, match="cannot run jobs"):
        drain(only_enqueues)


def test_afterwards_the_workers_may_be_started_and_nothing_is_left_running(mail: Mail) -> None:
    mail.enqueue("by hand")
    drain(mail)
    with mail:
        assert mail.wait(mail.enqueue("by a worker").id, 60).status == "completed"
    assert mail.counts()["running"] == 0
    threads = [thread for _, thread in mail.seen]
    assert threads[0] is threading.current_thread() is not threads[1]
