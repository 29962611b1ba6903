"""Handlers that are `async def`: the same jobs, outcomes and signals, on one event loop."""

from __future__ import annotations

import asyncio
import threading
from contextlib import closing, suppress
from typing import Any

import pytest

from sprag.queue import (
    Backoff,
    JobReleased,
    NoRunningJob,
    Progress,
    QueueService,
    RunningJob,
    StopInsideHandler,
)
from sprag.queue.coroutines import HandlerLoop
from sprag.queue.execution import execute
from sprag.queue.tickets import Run
from tests.conftest import MakeQueue
from tests.support import DEADLINE, Seen, finished, until_stopping, wait, wait_until


class AsyncGate:
    """Like `Gate`, for handlers that await."""

    def __init__(self) -> None:
        self._held = threading.Semaphore(0)
        self._opened = threading.Event()

    async def hold(self) -> None:
        self._held.release()
        while not self._opened.is_set():
            await asyncio.sleep(0.002)

    def wait_held(self, count: int = 1) -> None:
        for _ in range(count):
            assert self._held.acquire(timeout=DEADLINE), "no handler arrived at the gate"

    def open(self) -> None:
        self._opened.set()


def test_an_async_handler_s_result_is_the_job_s(make_queue: MakeQueue) -> None:
    async def handler(self: QueueService, item: int) -> Any:
        await asyncio.sleep(0)
        return {"doubled": item * 2, "sizes": (1, 2)}

    with make_queue(handler) as queue:
        [done] = finished(queue, queue.enqueue(4))
        assert (done.status, done.result) == ("completed", {"doubled": 8, "sizes": (1, 2)})
        assert [m.event for m in queue.history(done.id)] == ["enqueue", "start", "complete"]


def test_worker_count_handlers_at_once_on_one_loop(make_queue: MakeQueue) -> None:
    threads, loops = set(), set()
    now = most = 0
    gate = AsyncGate()

    async def handler(self: QueueService, item: int) -> None:
        nonlocal now, most
        threads.add(threading.current_thread())
        loops.add(asyncio.get_running_loop())
        now += 1
        most = max(most, now)
        await gate.hold()
        now -= 1

    with make_queue(handler, worker_count=3) as queue:
        jobs = queue.enqueue_many(range(10))
        gate.wait_held(3)
        assert queue.counts()["running"] == 3
        gate.open()
        finished(queue, *jobs)
    assert (len(threads), len(loops), most) == (1, 1, 3)


def test_each_async_handler_reports_for_its_own_job(make_queue: MakeQueue) -> None:
    async def step(queue: QueueService, n: int) -> None:
        await asyncio.sleep(0)
        queue.report_progress(n, 10, message=f"{queue.current_job.item}")

    async def handler(self: QueueService, item: str) -> str:
        for n in range(11):
            await step(self, n)
        # A task of its own inherits the job, and so does a thread of asyncio's.
        await asyncio.create_task(step(self, 10))
        return await asyncio.to_thread(lambda: self.current_job.id)

    with make_queue(handler, worker_count=4) as queue:
        for done in finished(queue, *queue.enqueue_many("abcdefgh")):
            assert done.result == done.id
            assert done.progress == Progress(10, 10, 100.0, done.item)


def test_an_async_handler_learns_of_a_cancellation(make_queue: MakeQueue) -> None:
    seen = Seen()

    async def handler(self: QueueService, item: Any) -> None:
        while True:
            self.check_cancelled()
            await asyncio.sleep(0.001)

    with make_queue(handler) as queue:
        queue.subscribe(seen)
        job, other = queue.enqueue_many([1, 2])
        seen.wait_status(job.id, "running")
        seen.wait_status(other.id, "running")
        queue.cancel(job.id)
        assert finished(queue, job)[0].status == "cancelled"
        assert queue.get(other.id).status == "running"
        queue.cancel(other.id)
        finished(queue, other)


@pytest.mark.parametrize(
    "kind", [ValueError, SystemExit, KeyboardInterrupt, asyncio.CancelledError, BaseException]
)
def test_what_an_async_handler_raises_is_its_failure_alone(
    make_queue: MakeQueue, kind: type[BaseException]
) -> None:
    gate = AsyncGate()

    async def handler(self: QueueService, item: str) -> str:
        if item == "fail":
            raise kind("told")
        await gate.hold()
        return "lived"

    with make_queue(handler) as queue:
        beside = queue.enqueue("beside")
        gate.wait_held()
        [failed] = finished(queue, queue.enqueue("fail"))
        assert failed.status == "failed"
        assert failed.error is not None
        assert (failed.error.type, failed.error.message) == (kind.__qualname__, "told")
        assert "in handler" in failed.error.traceback
        gate.open()
        assert finished(queue, beside, queue.enqueue("after"))[1].result == "lived"


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_a_task_that_wants_to_exit_does_not_end_the_loop(
    make_queue: MakeQueue, kind: type[BaseException]
) -> None:
    gate = AsyncGate()

    async def leave() -> None:
        raise kind("told")

    async def handler(self: QueueService, item: str) -> str:
        if item == "fail":
            await asyncio.gather(asyncio.create_task(leave()))
        await gate.hold()
        return "lived"

    with make_queue(handler) as queue:
        beside = queue.enqueue("beside")
        gate.wait_held()
        [failed] = finished(queue, queue.enqueue("fail"))
        assert failed.error is not None
        assert (failed.status, failed.error.type) == ("failed", kind.__qualname__)
        gate.open()
        assert finished(queue, beside, queue.enqueue("after"))[1].result == "lived"


def test_a_handler_that_stops_its_loop_ends_no_job(
    make_queue: MakeQueue, caplog: pytest.LogCaptureFixture
) -> None:
    gate = AsyncGate()

    async def handler(self: QueueService, item: str) -> str:
        if item == "stop":
            asyncio.get_running_loop().stop()
        else:
            await gate.hold()
        await asyncio.sleep(0)
        return item

    with make_queue(handler) as queue:
        beside = queue.enqueue("beside")
        gate.wait_held()
        stop = queue.enqueue("stop")
        assert finished(queue, stop)[0].result == "stop"
        gate.open()
        assert [job.result for job in finished(queue, beside)] == ["beside"]
    assert "it goes on" in caplog.text


def test_an_async_handler_is_tried_again(make_queue: MakeQueue) -> None:
    async def handler(self: QueueService, item: Any) -> int:
        await asyncio.sleep(0)
        if self.current_job.attempt < 3:
            raise ValueError
        return self.current_job.attempt

    with make_queue(handler, max_attempts=3, backoff=0) as queue:
        [done] = finished(queue, queue.enqueue(1))
        assert (done.status, done.result) == ("completed", 3)


def test_an_async_handler_s_result_must_be_storable_too(make_queue: MakeQueue) -> None:
    async def handler(self: QueueService, item: Any) -> Any:
        return [object()]

    with make_queue(handler, max_attempts=3) as queue:
        [done] = finished(queue, queue.enqueue(1))
        assert done.error is not None
        assert (done.status, done.attempt, done.error.type) == ("failed", 1, "PayloadError")
        assert done.error.message.startswith("result[0]")


def test_an_async_handler_cannot_stop_its_own_queue(make_queue: MakeQueue) -> None:
    async def handler(self: QueueService, item: Any) -> str:
        for stop in (self.stop, lambda: asyncio.to_thread(self.stop)):
            with pytest.raises(StopInsideHandler):
                await (stop() or asyncio.sleep(0))
        return "goes on"

    with make_queue(handler) as queue:
        assert finished(queue, queue.enqueue(1))[0].result == "goes on"
        assert finished(queue, queue.enqueue(2))[0].result == "goes on"


def test_an_async_handler_that_awaits_is_released_when_the_queue_stops(
    make_queue: MakeQueue, caplog: pytest.LogCaptureFixture
) -> None:
    cleaned, started = threading.Event(), threading.Event()

    async def handler(self: QueueService, item: Any) -> None:
        started.set()
        try:
            await asyncio.sleep(DEADLINE * 10)
        finally:
            cleaned.set()

    queue = make_queue(handler).start()
    job = queue.enqueue(1)
    wait(started)
    queue.stop(0)
    wait(cleaned)
    now = queue.get(job.id)
    assert (now.status, now.attempt) == ("queued", 0)
    assert [m.event for m in queue.history(job.id)] == ["enqueue", "start", "release"]
    # It gave way by itself: its job was not taken from it.
    assert "still running" not in caplog.text


def test_an_async_handler_that_was_released_before_it_began_does_not_begin() -> None:
    begun: list[Any] = []

    async def handler(item: Any) -> None:
        begun.append(item)

    job = RunningJob(Run(1, 1, "a" * 32, 1, 1, None, b"1"), "work", begun.append)
    job.interrupt(JobReleased)
    with closing(HandlerLoop()) as loop:
        done = execute(job, lambda item: loop.call(handler, item), Backoff(), 1000)
    assert (done.event, begun) == ("release", [])


def test_an_async_handler_that_never_gives_way_keeps_no_thread(make_queue: MakeQueue) -> None:
    started = threading.Event()

    async def handler(self: QueueService, item: Any) -> None:
        while True:
            started.set()
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(DEADLINE * 10)

    queue = make_queue(handler).start()
    job = queue.enqueue(1)
    wait(started)
    queue.stop(0)
    assert queue.get(job.id).status == "queued"
    wait_until(lambda: not any(t.name.startswith("sprag-") for t in threading.enumerate()))


def test_an_async_handler_has_its_grace(make_queue: MakeQueue) -> None:
    gate = AsyncGate()

    async def handler(self: QueueService, item: Any) -> str:
        await gate.hold()
        return "in time"

    queue = make_queue(handler).start()
    job = queue.enqueue(1)
    gate.wait_held()
    stopping = threading.Thread(target=queue.stop, args=(DEADLINE,))
    stopping.start()
    until_stopping(queue)
    gate.open()
    stopping.join(DEADLINE)
    assert not stopping.is_alive()
    assert queue.get(job.id).result == "in time"


def test_what_an_async_handler_leaves_behind_ends_with_the_queue(make_queue: MakeQueue) -> None:
    ended = threading.Event()
    kept: list[Any] = []

    async def linger() -> None:
        try:
            await asyncio.sleep(DEADLINE * 10)
        finally:
            ended.set()

    async def handler(self: QueueService, item: Any) -> None:
        kept.append(asyncio.create_task(linger()))
        await asyncio.sleep(0)

    with make_queue(handler) as queue:
        finished(queue, queue.enqueue(1))
        assert not ended.is_set()
    wait(ended)
    assert not [t for t in threading.enumerate() if t.name == "sprag-handlers"]


def test_a_queue_of_async_handlers_can_be_started_again(make_queue: MakeQueue) -> None:
    async def handler(self: QueueService, item: int) -> int:
        await asyncio.sleep(0)
        return item + 1

    queue = make_queue(handler)
    for n in range(3):
        with queue:
            assert finished(queue, queue.enqueue(n))[0].result == n + 1


def test_outside_its_job_the_loop_has_none(make_queue: MakeQueue) -> None:
    told: list[str] = []
    later = threading.Event()

    async def handler(self: QueueService, item: Any) -> None:
        def afterwards() -> None:
            # Scheduled by the handler, so it has the handler's context, but the job is over.
            try:
                told.append(self.current_job.id)
                self.report_progress(1, 2)
            except NoRunningJob:
                told.append("none")
            later.set()

        asyncio.get_running_loop().call_later(0.02, afterwards)

    with make_queue(handler) as queue:
        job = queue.enqueue(1)
        finished(queue, job)
        wait(later)
        assert queue.get(job.id).progress is None
    assert told in ([job.id], ["none"])
