"""Time limits: a handler is told when its time is over, and its attempt has failed then."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from sprag.queue import ConfigurationError, Job, JobError, JobTimeout, QueueService, Retry
from sprag.queue.work import coroutines as coroutines_module
from sprag.queue.work import crew
from tests.conftest import MakeQueue
from tests.support import DEADLINE, Gate, Handler, Seen, finished, named, wait, wait_until

AT_ONCE = 1e-6
"""A limit that is over before any handler begins."""
LONG = DEADLINE * 10


def outcome(make_queue: MakeQueue, handler: Handler, **options: Any) -> tuple[Job, list[Any]]:
    """What becomes of a job, and the errors of its history."""
    with make_queue(handler, **{"backoff": 0, **options}) as queue:
        [done] = finished(queue, queue.enqueue(1))
        moves = [(m.event, m.error and m.error.type) for m in queue.history(done.id)[2:]]
        return done, moves


def checks(self: QueueService, item: Any) -> None:
    self.check_cancelled()
    pytest.fail("its time was over")


def test_a_handler_that_looks_is_told_and_its_attempt_has_failed(make_queue: MakeQueue) -> None:
    done, moves = outcome(make_queue, checks, time_limit=AT_ONCE, max_attempts=2)
    assert (done.status, done.attempt) == ("failed", 2)
    assert moves == [("retry", "JobTimeout"), ("start", None), ("fail", "JobTimeout")]
    assert done.error is not None
    assert done.error.message == f"job {done.id!r} ran for longer than its time limit of 1e-06 s"
    assert "in checks" in done.error.traceback


def test_it_says_which_job_and_which_limit(make_queue: MakeQueue) -> None:
    told: list[Any] = []

    def handler(self: QueueService, item: Any) -> None:
        try:
            self.check_cancelled()
        except JobTimeout as error:
            told.append((error.job_id, error.time_limit, self.current_job.time_limit))
            raise

    done, _ = outcome(make_queue, handler, time_limit=AT_ONCE)
    assert told == [(done.id, AT_ONCE, AT_ONCE)]


def test_what_passes_interrupts_passes_it_and_what_catches_errors_does_not_catch_it(
    make_queue: MakeQueue,
) -> None:
    def handler(self: QueueService, item: Any) -> str:
        try:
            self.check_cancelled()
        except Exception:  # noqa: BLE001  # what this is about
            return "swallowed"
        return "not told"

    done, moves = outcome(make_queue, handler, time_limit=AT_ONCE)
    assert moves == [("fail", "JobTimeout")]
    assert done.status == "failed"


def test_before_the_limit_nothing_happens(make_queue: MakeQueue) -> None:
    def handler(self: QueueService, item: Any) -> float | None:
        self.check_cancelled()
        return self.current_job.time_limit

    assert outcome(make_queue, handler, time_limit="1h")[0].result == 3600.0
    assert outcome(make_queue, handler)[0].result is None


def test_a_handler_that_ends_nevertheless_has_completed(make_queue: MakeQueue) -> None:
    done, _ = outcome(make_queue, lambda self, item: "late", time_limit=AT_ONCE)
    assert (done.status, done.result) == ("completed", "late")


def test_each_attempt_has_the_whole_time(make_queue: MakeQueue) -> None:
    def handler(self: QueueService, item: Any) -> str:
        assert self.current_job.deadline is not None
        if self.current_job.attempt == 1:
            self.current_job.deadline -= LONG
        self.check_cancelled()
        return "in time"

    done, moves = outcome(make_queue, handler, time_limit=LONG, max_attempts=2)
    assert (done.result, moves[0]) == ("in time", ("retry", "JobTimeout"))


@pytest.mark.parametrize(
    ("options", "attempts"),
    [
        ({}, 3),
        ({"retry_on": JobTimeout}, 3),
        ({"retry_on": (ConnectionError, BaseException)}, 3),
        ({"retry_on": ConnectionError}, 1),
        ({"fail_on": JobTimeout}, 1),
    ],
    ids=named,
)
def test_retry_on_and_fail_on_may_name_it(
    make_queue: MakeQueue, options: dict[str, Any], attempts: int
) -> None:
    done, _ = outcome(make_queue, checks, time_limit=AT_ONCE, max_attempts=3, **options)
    assert (done.status, done.attempt) == ("failed", attempts)


def test_on_failure_gets_it(make_queue: MakeQueue) -> None:
    told = Seen()

    class Limited(QueueService):
        name = "work"
        time_limit = AT_ONCE

        def handle_item(self, item: Any) -> None:
            self.check_cancelled()

        def on_failure(self, job: Job, error: JobError) -> None:
            told(error.type)

    with make_queue(Limited) as queue:
        queue.enqueue(1)
        assert told.wait_for(lambda all_: all_) == ["JobTimeout"]


def test_a_job_s_own_limit_comes_before_the_queue_s(make_queue: MakeQueue) -> None:
    def handler(self: QueueService, item: Any) -> float | None:
        return self.current_job.time_limit

    with make_queue(handler, time_limit=LONG) as queue:
        jobs = [
            queue.enqueue(1, time_limit="2m"),
            queue.enqueue(1, time_limit=None),
            *queue.enqueue_many([1, 1], time_limit=90),
        ]
        assert [job.result for job in finished(queue, *jobs)] == [120.0, LONG, 90.0, 90.0]
        assert [job.time_limit for job in jobs] == [120.0, None, 90.0, 90.0]
        assert [queue.get(job.id).time_limit for job in jobs] == [120.0, None, 90.0, 90.0]


@pytest.mark.parametrize(
    "value", [0, -1, "soon", float("nan"), float("inf"), True, object(), "0s"], ids=named
)
def test_a_limit_that_is_none_is_refused(make_queue: MakeQueue, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"Work\.time_limit: expected"):
        type("Work", (QueueService,), {"name": "work", "time_limit": value})
    with pytest.raises(ConfigurationError, match="time_limit: expected"):
        make_queue().enqueue(1, time_limit=value)


def test_the_word_of_other_queues_is_understood() -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'time_limit'"):
        type("Work", (QueueService,), {"name": "work", "job_timeout": 5})


# ---------------------------------------------------------------- beside other interrupts


def test_a_job_that_was_asked_to_cancel_is_cancelled(make_queue: MakeQueue) -> None:
    def handler(self: QueueService, item: Any) -> None:
        try:
            self.check_cancelled()
        except JobTimeout:
            self.cancel(self.current_job.id)
            raise

    done, moves = outcome(make_queue, handler, time_limit=AT_ONCE, max_attempts=3)
    assert (done.status, done.error) == ("cancelled", None)
    assert [event for event, _ in moves] == ["cancel", "confirm"]


def test_a_stop_takes_a_job_back_also_if_its_time_is_over(make_queue: MakeQueue) -> None:
    started, pause = threading.Event(), threading.Event()

    def handler(self: QueueService, item: Any) -> None:
        started.set()
        while not self.current_job.release_requested:
            pause.wait(0.001)
        self.check_cancelled()

    queue = make_queue(handler, time_limit=AT_ONCE).start()
    job = queue.enqueue(1)
    wait(started)
    queue.stop(0)
    assert [move.event for move in queue.history(job.id)] == ["enqueue", "start", "release"]


def test_a_wait_in_a_handler_ends_with_the_limit(make_queue: MakeQueue) -> None:
    def handler(self: QueueService, item: Any) -> None:
        other = self.enqueue("later", delay=LONG)
        self.wait(other.id)

    done, _ = outcome(make_queue, handler, time_limit=0.01)
    assert done.error is not None
    assert done.error.type == "JobTimeout"


def test_a_handler_may_ask_for_another_attempt_instead(make_queue: MakeQueue) -> None:
    def handler(self: QueueService, item: Any) -> str:
        if self.current_job.run.starts == 1:
            try:
                self.check_cancelled()
            except JobTimeout as error:
                raise Retry(after=0) from error
        return "second"

    done, moves = outcome(make_queue, handler, time_limit=AT_ONCE, max_attempts=2)
    assert (done.result, moves[0]) == ("second", ("retry", "Retry"))


# ---------------------------------------------------------------- async handlers


async def plainly() -> None:
    await asyncio.sleep(LONG)


async def in_a_group() -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(plainly())
        tasks.create_task(plainly())


async def in_a_timeout() -> None:
    async with asyncio.timeout(LONG):
        await plainly()


@pytest.mark.parametrize("way", [plainly, in_a_group, in_a_timeout])
def test_an_async_handler_s_task_is_cancelled(
    make_queue: MakeQueue, way: Callable[[], Coroutine[Any, Any, None]]
) -> None:
    cleaned = Seen()

    async def handler(self: QueueService, item: Any) -> None:
        try:
            await way()
        finally:
            await asyncio.sleep(0)
            cleaned(self.current_job.attempt)

    done, moves = outcome(make_queue, handler, time_limit=0.01, max_attempts=2)
    assert moves == [("retry", "JobTimeout"), ("start", None), ("fail", "JobTimeout")]
    assert cleaned.all == [1, 2]
    assert done.error is not None
    assert "in handler" in done.error.traceback


def test_an_async_handler_whose_time_is_over_before_it_begins_does_not_begin(
    make_queue: MakeQueue,
) -> None:
    begun = Seen()

    async def handler(self: QueueService, item: Any) -> None:
        begun(item)

    _, moves = outcome(make_queue, handler, time_limit=1e-9)
    assert (moves, begun.all) == ([("fail", "JobTimeout")], [])


def test_tasks_of_an_async_handler_that_look_make_it_the_one_error(make_queue: MakeQueue) -> None:
    async def look(queue: QueueService) -> None:
        assert queue.current_job.deadline is not None
        queue.current_job.deadline -= LONG
        queue.check_cancelled()

    async def handler(self: QueueService, item: Any) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(look(self))
            tasks.create_task(look(self))

    _, moves = outcome(make_queue, handler, time_limit=LONG, fail_on=JobTimeout)
    assert moves == [("fail", "JobTimeout")]


def test_an_async_handler_that_swallows_it_is_asked_again(
    make_queue: MakeQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coroutines_module, "_AGAIN_SECONDS", 0.01)
    asked = Seen()

    async def handler(self: QueueService, item: Any) -> None:
        for n in range(4):
            try:
                await asyncio.sleep(LONG)
            except asyncio.CancelledError:
                asked(n)
                if n == 3:
                    raise

    _, moves = outcome(make_queue, handler, time_limit=0.01)
    assert (moves, asked.all) == ([("fail", "JobTimeout")], [0, 1, 2, 3])


def test_an_async_handler_in_time_is_not_asked(make_queue: MakeQueue) -> None:
    async def handler(self: QueueService, item: Any) -> str:
        await asyncio.sleep(0)
        return "in time"

    assert outcome(make_queue, handler, time_limit=LONG)[0].result == "in time"


# ---------------------------------------------------------------- handlers that go on


def test_a_handler_that_goes_on_is_logged_once_and_shown(
    make_queue: MakeQueue, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(crew, "_LATE_SECONDS", 0.0)
    gate = Gate()
    with (
        caplog.at_level(logging.WARNING, "sprag.queue"),
        make_queue(lambda self, item: gate.hold(), time_limit=AT_ONCE) as queue,
    ):
        other = make_queue()
        job = queue.enqueue(1)
        gate.wait_held()
        wait_until(lambda: other.get(job.id).overdue)
        # The keeper has looked again, for another job, by when this one is over.
        second = queue.enqueue(2)
        gate.wait_held()
        wait_until(lambda: other.get(second.id).overdue)
        gate.open()
        done, _ = finished(queue, job, second)
        assert (done.status, done.overdue) == ("completed", False)
    assert caplog.text.count(f"job {job.id} of work is over its time limit of 1e-06 s") == 1


def test_the_run_after_one_that_went_on_is_not_taken_for_it(
    make_queue: MakeQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "_LATE_SECONDS", 0.0)
    gates = [Gate(), Gate()]

    def handler(self: QueueService, item: Any) -> None:
        job = self.current_job
        if job.attempt == 2:
            assert job.deadline is not None
            job.deadline += LONG
        gates[job.attempt - 1].hold()
        if job.attempt == 1:
            raise ValueError

    with make_queue(handler, time_limit=0.001, max_attempts=2, backoff=0) as queue:
        job = queue.enqueue(1)
        gates[0].wait_held()
        wait_until(lambda: queue.get(job.id).overdue)
        gates[0].open()
        gates[1].wait_held()
        assert not queue.get(job.id).overdue
        gates[1].open()
        finished(queue, job)


def test_a_handler_that_gives_way_is_not_said_to_go_on(
    make_queue: MakeQueue, caplog: pytest.LogCaptureFixture
) -> None:
    outcome(make_queue, checks, time_limit=AT_ONCE)
    assert "goes on" not in caplog.text
