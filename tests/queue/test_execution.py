"""One run of a job: what its handler returns or raises becomes an outcome, whatever it is."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from contextvars import ContextVar, copy_context
from dataclasses import make_dataclass
from decimal import Decimal, getcontext
from pathlib import Path
from typing import Any

import pytest

from sprag.queue import Job, JobCancelled, PayloadError, QueueService, StopInsideHandler
from sprag.queue.work.execution import describe
from tests.conftest import MakeQueue
from tests.support import DEADLINE, Gate, Handler, Seen, finished, sql, until_stopping


def outcome(make_queue: MakeQueue, handler: Handler, item: Any = 1, **options: Any) -> Job:
    """What becomes of one job."""
    with make_queue(handler, **options) as queue:
        [done] = finished(queue, queue.enqueue(item))
        # The worker lived through it.
        assert all(thread.is_alive() for thread in workers())
        return done


def workers() -> list[threading.Thread]:
    found = [thread for thread in threading.enumerate() if thread.name.startswith("sprag-work-")]
    assert found
    return found


@pytest.mark.parametrize("result", [None, 0, "", [], {"a": (1,)}, b"\0", {1: 2}, "ünïcode"])
def test_what_a_handler_returns_is_the_result(make_queue: MakeQueue, result: Any) -> None:
    done = outcome(make_queue, lambda self, item: result)
    assert (done.status, done.result, done.error, done.attempt) == ("completed", result, None, 1)
    assert done.started_at is not None
    assert done.finished_at is not None
    assert done.created_at <= done.started_at <= done.finished_at


@pytest.mark.parametrize(
    "kind",
    [ValueError, KeyError, SystemExit, KeyboardInterrupt, GeneratorExit, BaseException,
     StopIteration, MemoryError, RecursionError, TimeoutError, AssertionError],
)  # fmt: skip
def test_whatever_a_handler_raises_is_its_failure(
    make_queue: MakeQueue, kind: type[BaseException]
) -> None:
    def handler(self: QueueService, item: Any) -> None:
        raise kind("told")

    done = outcome(make_queue, handler)
    assert (done.status, done.result) == ("failed", None)
    assert done.error is not None
    assert done.error.type == kind.__qualname__
    assert done.error.message in ("told", "'told'")
    assert done.error.traceback.startswith("Traceback (most recent call last)")
    assert "in handler" in done.error.traceback


def test_a_base_exception_is_tried_again_as_any_other(make_queue: MakeQueue) -> None:
    def handler(self: QueueService, item: Any) -> Any:
        if self.current_job.attempt == 1:
            raise SystemExit(3)
        return "second"

    done = outcome(make_queue, handler, max_attempts=2, backoff=0)
    assert (done.status, done.result, done.attempt) == ("completed", "second", 2)


def test_the_error_tells_its_cause_and_leaves_out_this_package(make_queue: MakeQueue) -> None:
    def handler(self: QueueService, item: Any) -> None:
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise ValueError("outer") from error

    done = outcome(make_queue, handler)
    assert done.error is not None
    assert "KeyError: 'inner'" in done.error.traceback
    assert "direct cause" in done.error.traceback
    assert "in execute" not in done.error.traceback


class Unshowable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def test_an_exception_without_text_is_told_all_the_same(make_queue: MakeQueue) -> None:
    def handler(self: QueueService, item: Any) -> None:
        raise Unshowable

    done = outcome(make_queue, handler)
    assert done.error is not None
    assert (done.error.type, done.status) == ("Unshowable", "failed")
    assert "cannot be shown: RuntimeError" in done.error.message


def test_an_error_s_text_is_bounded_and_valid(make_queue: MakeQueue, database: Path) -> None:
    def handler(self: QueueService, item: Any) -> None:
        raise ValueError("\ud800" + "x" * 1_000_000 + "the end\0")

    done = outcome(make_queue, handler)
    assert done.error is not None
    assert len(done.error.message) < 5000
    assert len(done.error.traceback) < 20_000
    assert done.error.message.startswith("\\ud800x")
    assert done.error.message.endswith("the end\0")
    assert "characters left out" in done.error.message
    assert sql(database, "SELECT json_valid(error) FROM job") == [(1,)]


def test_a_short_error_is_told_whole() -> None:
    try:
        raise ValueError("x" * 4000)
    except ValueError as error:
        told = describe(error)
    assert told.message == "x" * 4000
    assert "left out" not in told.traceback


def test_a_failure_is_logged_with_the_job_s_id(
    make_queue: MakeQueue, caplog: pytest.LogCaptureFixture
) -> None:
    def handler(self: QueueService, item: Any) -> None:
        raise ValueError("told")

    with caplog.at_level(logging.WARNING, "sprag.queue"):
        done = outcome(make_queue, handler, max_attempts=2, backoff=0)
    retry, failure = (r for r in caplog.records if done.id in r.getMessage())
    assert (retry.levelname, failure.levelname) == ("WARNING", "ERROR")
    assert "failed at attempt 1 of 2 and is tried again" in retry.getMessage()
    assert "failed at attempt 2 of 2: ValueError: told" in failure.getMessage()
    assert failure.exc_info


# ---------------------------------------------------------------- what cannot be stored


@pytest.mark.parametrize(
    ("result", "path"),
    [
        (object(), "result"),
        ({"image": [object()]}, "result['image'][0]"),
        (float("nan"), "result"),
        ("\ud800", "result"),
        (10**5000, "result"),
        ((n for n in range(3)), "result"),
    ],
    ids=["object", "nested", "nan", "surrogate", "int", "generator"],
)
def test_a_result_that_cannot_be_stored_fails_the_job_at_once(
    make_queue: MakeQueue, result: Any, path: str
) -> None:
    done = outcome(make_queue, lambda self, item: result, max_attempts=5, backoff=0)
    assert (done.status, done.attempt, done.result) == ("failed", 1, None)
    assert done.error is not None
    assert done.error.type == "PayloadError"
    assert done.error.message.startswith(path)


def test_a_result_that_is_too_large_fails_the_job_at_once(make_queue: MakeQueue) -> None:
    def handler(self: QueueService, item: int) -> str:
        return "x" * item

    with make_queue(handler, max_payload_bytes=100, max_attempts=5) as queue:
        fits, large = finished(queue, *queue.enqueue_many([98, 99]))
    assert (fits.status, fits.result) == ("completed", "x" * 98)
    assert (large.status, large.attempt) == ("failed", 1)
    assert large.error is not None
    assert large.error.type == "PayloadTooLarge"
    assert "result takes 101 bytes" in large.error.message


def test_a_plain_handler_that_returns_a_coroutine_fails_clearly(make_queue: MakeQueue) -> None:
    async def later() -> int:
        return 1

    done = outcome(make_queue, lambda self, item: later())
    assert done.status == "failed"
    assert done.error is not None
    assert "coroutine" in done.error.message
    assert "async def" in done.error.message


UNKNOWN = '{"$dataclass": "later:Thing", "fields": {"size": 3}}'


def unknown_item(queue: QueueService, database: Path, max_attempts: int) -> str:
    """The id of a job whose item this process cannot decode, as in a deploy."""
    queue.counts()
    sql(
        database,
        "INSERT INTO job (queue, item, max_attempts, backoff) VALUES ('work', ?, ?, '0')",
        (UNKNOWN, max_attempts),
    )
    [(id_,)] = sql(database, "SELECT id FROM job")
    return str(id_)


def test_an_item_that_cannot_be_decoded_has_all_its_attempts(
    make_queue: MakeQueue, database: Path
) -> None:
    ran: list[Any] = []
    queue = make_queue(lambda self, item: ran.append(item))
    id_ = unknown_item(queue, database, 3)
    with queue:
        [done] = finished(queue, id_)
        events = [move.event for move in queue.history(id_)]
    assert (done.status, done.attempt, ran) == ("failed", 3, [])
    assert events == ["enqueue", "start", "retry", "start", "retry", "start", "fail"]
    assert done.error is not None
    assert "later:Thing, which is not imported" in done.error.message
    with pytest.raises(PayloadError):
        _ = done.item


def test_an_item_that_cannot_be_decoded_yet_is_run_once_it_can(
    make_queue: MakeQueue, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = Seen()
    queue = make_queue(lambda self, item: item.size)
    queue.subscribe(seen)
    id_ = unknown_item(queue, database, 10**6)
    module: Any = type(logging)("later")
    module.Thing = make_dataclass("Thing", ["size"], namespace={"__module__": "later"})
    with queue:
        seen.wait_for(lambda signals: any(signal["event"] == "retry" for signal in signals))
        monkeypatch.setitem(sys.modules, "later", module)
        assert finished(queue, id_)[0].result == 3


def test_a_payload_that_a_handler_offers_to_another_queue_and_is_refused_is_no_final_failure(
    make_queue: MakeQueue,
) -> None:
    other = make_queue(name="other")

    def handler(self: QueueService, item: Any) -> int:
        attempt = self.current_job.attempt
        other.enqueue(object() if attempt == 1 else attempt)
        return attempt

    done = outcome(make_queue, handler, max_attempts=2, backoff=0)
    assert (done.status, done.result) == ("completed", 2)


def test_an_item_that_a_handler_changes_is_stored_as_it_was(make_queue: MakeQueue) -> None:
    def handler(self: QueueService, item: list[int]) -> int:
        item.append(self.current_job.attempt)
        if self.current_job.attempt == 1:
            raise ValueError
        return len(item)

    done = outcome(make_queue, handler, [0], max_attempts=2, backoff=0)
    assert (done.item, done.result) == ([0], 2)


# ---------------------------------------------------------------- a context of its own

REQUEST: ContextVar[str] = ContextVar("request", default="none")


def leaking(self: QueueService, item: str) -> Any:
    seen = (REQUEST.get(), getcontext().prec)
    REQUEST.set(item)
    getcontext().prec = 4
    return [*seen, str(Decimal(1) / 3)]


async def leaking_async(self: QueueService, item: str) -> Any:
    async def step() -> Any:
        return leaking(self, item)

    first = leaking(self, item)
    # A task and a thread of the handler's own have what it has set.
    for inner in (await asyncio.create_task(step()), await asyncio.to_thread(leaking, self, item)):
        assert inner == [item, 4, "0.3333"]
    await asyncio.sleep(0)
    assert REQUEST.get() == item
    return first


@pytest.mark.parametrize("handler", [leaking, leaking_async])
def test_what_a_handler_sets_in_its_context_ends_with_its_job(
    make_queue: MakeQueue, handler: Handler
) -> None:
    def in_a_request() -> None:
        # What is set where a queue is started, or a job enqueued, is not seen either.
        REQUEST.set("a request's")
        getcontext().prec = 7
        queue = make_queue(handler, worker_count=1)
        before = queue.enqueue("before")
        with queue:
            done = finished(queue, before, *queue.enqueue_many(["one", "two"]), queue.enqueue("x"))
        assert [job.result for job in done] == [["none", 28, "0.3333"]] * 4
        assert (REQUEST.get(), getcontext().prec) == ("a request's", 7)

    copy_context().run(in_a_request)


def test_a_handler_that_fails_leaves_nothing_in_the_context(make_queue: MakeQueue) -> None:
    def handler(self: QueueService, item: str) -> Any:
        said = leaking(self, item)
        if item == "fails":
            raise ValueError
        return said

    with make_queue(handler, worker_count=1) as queue:
        _, after = finished(queue, *queue.enqueue_many(["fails", "after"]))
    assert after.result == ["none", 28, "0.3333"]


def test_a_group_of_nothing_but_interrupts_is_one(make_queue: MakeQueue) -> None:
    gate = Gate()

    def handler(self: QueueService, item: str) -> None:
        gate.hold()
        interrupt = JobCancelled(self.current_job.id)
        inner = BaseExceptionGroup("tasks", [interrupt, interrupt])
        more = [ValueError("told")] if item == "more" else []
        raise BaseExceptionGroup("tasks", [inner, interrupt, *more])

    with make_queue(handler, worker_count=2) as queue:
        only, more = queue.enqueue_many(["only", "more"])
        gate.wait_held(2)
        queue.cancel(only.id)
        queue.cancel(more.id)
        gate.open()
        only, more = finished(queue, only, more)
    assert (only.status, more.status) == ("cancelled", "failed")


# ---------------------------------------------------------------- stopping from inside


def test_a_handler_cannot_stop_its_own_queue(make_queue: MakeQueue) -> None:
    def handler(self: QueueService, item: Any) -> str:
        with pytest.raises(StopInsideHandler, match="inside its own handler") as refusal:
            self.stop()
        return str(refusal.value)

    with make_queue(handler, worker_count=2) as queue:
        first, second = finished(queue, *queue.enqueue_many([1, 2]))
        assert (first.status, second.status) == ("completed", "completed")
        assert "the queue goes on" in first.result


def test_a_handler_cannot_stop_its_own_queue_while_that_stops(make_queue: MakeQueue) -> None:
    gate = Gate()

    def handler(self: QueueService, item: Any) -> str:
        gate.hold()
        with pytest.raises(StopInsideHandler):
            self.stop()
        return "in time"

    queue = make_queue(handler).start()
    job = queue.enqueue(1)
    gate.wait_held()
    stopping = threading.Thread(target=queue.stop, args=(DEADLINE,))
    stopping.start()
    until_stopping(queue)
    gate.open()
    stopping.join(DEADLINE)
    assert queue.get(job.id).result == "in time"


def test_a_handler_that_leaves_its_queue_s_with_fails_and_the_queue_goes_on(
    make_queue: MakeQueue,
) -> None:
    def handler(self: QueueService, item: Any) -> None:
        if item == "close":
            with self:
                pass

    with make_queue(handler) as queue:
        [done] = finished(queue, queue.enqueue("close"))
        assert done.error is not None
        assert (done.status, done.error.type) == ("failed", "StopInsideHandler")
        assert finished(queue, queue.enqueue("next"))[0].status == "completed"


def test_a_handler_may_stop_another_queue(make_queue: MakeQueue) -> None:
    other = make_queue(name="other").start()

    def handler(self: QueueService, item: Any) -> None:
        other.stop()

    assert outcome(make_queue, handler).status == "completed"


# ---------------------------------------------------------------- how many at once


def test_a_job_runs_once_and_no_more_than_worker_count_at_once(make_queue: MakeQueue) -> None:
    lock = threading.Lock()
    now = most = 0
    ran: list[int] = []

    def handler(self: QueueService, item: int) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
            ran.append(item)
        self.report_progress(1, 2)
        with lock:
            now -= 1

    with make_queue(handler, worker_count=3) as queue:
        finished(queue, *queue.enqueue_many(range(300)))
    assert sorted(ran) == list(range(300))
    assert most <= 3


def test_worker_count_jobs_do_run_at_once(make_queue: MakeQueue) -> None:
    together = threading.Barrier(5)
    with make_queue(lambda self, item: together.wait(DEADLINE), worker_count=5) as queue:
        done = finished(queue, *queue.enqueue_many(range(5)))
    assert [job.status for job in done] == ["completed"] * 5


def test_jobs_that_are_enqueued_one_by_one_find_every_worker(make_queue: MakeQueue) -> None:
    gate = Gate()
    with make_queue(lambda self, item: gate.hold(), worker_count=4) as queue:
        for n in range(4):
            queue.enqueue(n)
        gate.wait_held(4)
        assert queue.counts()["running"] == 4
        gate.open()
