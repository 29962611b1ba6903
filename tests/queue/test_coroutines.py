"""Handlers that are `async def`: the same jobs, outcomes and signals, on one event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import closing, suppress
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
    StopInsideHandler,
)
from sprag.queue.store.tickets import Run
from sprag.queue.work import coroutines as coroutines_module
from sprag.queue.work.coroutines import HandlerLoop
from sprag.queue.work.execution import Handler, execute
from sprag.queue.work.policy import Policy
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


@pytest.mark.parametrize(("kind", "event"), [(JobReleased, "release"), (JobCancelled, "confirm")])
def test_an_async_handler_that_was_interrupted_before_it_began_does_not_begin(
    kind: type[JobInterrupted], event: str
) -> None:
    begun: list[Any] = []

    async def handler(item: Any) -> None:
        begun.append(item)

    job = RunningJob(Run(1, 1, "a" * 32, 1, 1, None, b"1"), "work", begun.append)
    job.interrupt(kind)
    with closing(HandlerLoop()) as loop:
        called = Handler(lambda item: loop.call(handler, item), Policy())
        done = execute(job, called, 1000)
    assert (done.event, begun) == (event, [])


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


# ---------------------------------------------------------------- cancelling


class Awaiting:
    """Handlers that arrive, and what they leave behind."""

    def __init__(self) -> None:
        self._begun = threading.Semaphore(0)
        self.left = Seen()

    async def long(self) -> None:
        """Tell that the handler waits, and wait for longer than a test does."""
        self._begun.release()
        await asyncio.sleep(DEADLINE * 10)

    def wait_begun(self) -> None:
        assert self._begun.acquire(timeout=DEADLINE), "no handler waits"


Waits = Callable[[Awaiting], Coroutine[Any, Any, Any]]


async def plainly(awaiting: Awaiting) -> None:
    await awaiting.long()


async def in_a_task(awaiting: Awaiting) -> None:
    await asyncio.create_task(awaiting.long())


async def in_a_group(awaiting: Awaiting) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(awaiting.long())


async def in_a_timeout(awaiting: Awaiting) -> None:
    async with asyncio.timeout(DEADLINE * 10):
        await awaiting.long()


async def in_wait_for(awaiting: Awaiting) -> None:
    await asyncio.wait_for(awaiting.long(), DEADLINE * 10)


async def shielded(awaiting: Awaiting) -> None:
    await asyncio.shield(awaiting.long())


async def gathered(awaiting: Awaiting) -> None:
    await asyncio.gather(awaiting.long(), asyncio.sleep(DEADLINE * 10))


async def in_a_generator(awaiting: Awaiting) -> None:
    async def pages() -> AsyncIterator[int]:
        await awaiting.long()
        yield 1

    async for _ in pages():
        pass


async def in_a_thread(awaiting: Awaiting) -> None:
    ended = threading.Event()
    try:
        waiting = asyncio.create_task(awaiting.long())
        await asyncio.to_thread(ended.wait, DEADLINE)
        await waiting
    finally:
        ended.set()


@pytest.mark.parametrize(
    "way",
    [plainly, in_a_task, in_a_group, in_a_timeout, in_wait_for, shielded, gathered,
     in_a_generator, in_a_thread],
)  # fmt: skip
def test_cancelling_an_async_handler_cancels_what_it_awaits(
    make_queue: MakeQueue, way: Waits
) -> None:
    awaiting = Awaiting()

    async def handler(self: QueueService, item: Any) -> None:
        try:
            await way(awaiting)
        finally:
            await asyncio.sleep(0)  # cleaning up may await
            awaiting.left(item)

    with make_queue(handler, max_attempts=3) as queue:
        job = queue.enqueue("a")
        awaiting.wait_begun()
        queue.cancel(job.id)
        [done] = finished(queue, job)
        assert (done.status, done.error, awaiting.left.all) == ("cancelled", None, ["a"])
        assert [m.event for m in queue.history(job.id)] == ["enqueue", "start", "cancel", "confirm"]


def test_an_async_handler_that_swallows_its_cancellation_is_asked_again(
    make_queue: MakeQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coroutines_module, "_AGAIN_SECONDS", 0.01)
    awaiting = Awaiting()

    async def handler(self: QueueService, item: Any) -> None:
        for n in range(5):
            try:
                await awaiting.long()
            except asyncio.CancelledError:
                awaiting.left(n)
                if n == 4:
                    raise

    with make_queue(handler) as queue:
        job = queue.enqueue(1)
        awaiting.wait_begun()
        queue.cancel(job.id)
        assert finished(queue, job)[0].status == "cancelled"
    assert awaiting.left.all == [0, 1, 2, 3, 4]


def test_the_end_of_the_grace_asks_an_async_handler_that_swallowed_its_cancellation(
    make_queue: MakeQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coroutines_module, "_AGAIN_SECONDS", DEADLINE * 10)
    awaiting = Awaiting()

    async def handler(self: QueueService, item: Any) -> None:
        with suppress(asyncio.CancelledError):
            await awaiting.long()
        await awaiting.long()

    queue = make_queue(handler).start()
    job = queue.enqueue(1)
    awaiting.wait_begun()
    queue.cancel(job.id)
    awaiting.wait_begun()
    queue.stop(0)
    assert queue.get(job.id).status == "cancelled"
    assert [m.event for m in queue.history(job.id)] == ["enqueue", "start", "cancel", "confirm"]


def test_what_swallowed_its_cancellation_may_still_use_timeouts_and_groups(
    make_queue: MakeQueue,
) -> None:
    awaiting = Awaiting()

    async def handler(self: QueueService, item: Any) -> str:
        with suppress(asyncio.CancelledError):
            await awaiting.long()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await asyncio.sleep(DEADLINE)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(asyncio.sleep(0, "in time"))
        return task.result()

    with make_queue(handler) as queue:
        job = queue.enqueue(1)
        awaiting.wait_begun()
        queue.cancel(job.id)
        [done] = finished(queue, job)
        assert (done.status, done.result) == ("completed", "in time")


def test_what_an_async_handler_raises_when_it_is_cancelled_is_its_failure(
    make_queue: MakeQueue,
) -> None:
    awaiting = Awaiting()

    async def handler(self: QueueService, item: Any) -> None:
        try:
            await awaiting.long()
        except asyncio.CancelledError:
            raise ConnectionError("told") from None

    with make_queue(handler, max_attempts=3) as queue:
        job = queue.enqueue(1)
        awaiting.wait_begun()
        queue.cancel(job.id)
        [done] = finished(queue, job)
        assert done.error is not None
        assert (done.status, done.error.type) == ("failed", "ConnectionError")


def test_a_cancellation_that_comes_while_a_handler_cleans_up_ends_that(
    make_queue: MakeQueue,
) -> None:
    awaiting = Awaiting()

    async def handler(self: QueueService, item: Any) -> None:
        try:
            raise ValueError("its own")
        finally:
            await awaiting.long()

    with make_queue(handler) as queue:
        job = queue.enqueue(1)
        awaiting.wait_begun()
        queue.cancel(job.id)
        assert finished(queue, job)[0].status == "cancelled"


def test_a_task_of_a_group_may_look_whether_its_job_is_cancelled(make_queue: MakeQueue) -> None:
    awaiting = Awaiting()

    async def look(queue: QueueService) -> None:
        try:
            await awaiting.long()
        except asyncio.CancelledError:
            queue.check_cancelled()

    async def handler(self: QueueService, item: Any) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(2):
                group.create_task(look(self))

    with make_queue(handler) as queue:
        job = queue.enqueue(1)
        for _ in range(2):
            awaiting.wait_begun()
        queue.cancel(job.id)
        [done] = finished(queue, job)
        assert (done.status, done.error) == ("cancelled", None)


def test_a_cancellation_of_its_own_is_an_async_handler_s_failure(make_queue: MakeQueue) -> None:
    async def handler(self: QueueService, item: Any) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel("told")
        if item == "awaits":
            await asyncio.sleep(0)

    with make_queue(handler) as queue:
        for done in finished(queue, *queue.enqueue_many(["awaits", "returns"])):
            assert done.error is not None
            assert (done.status, done.error.type) == ("failed", "CancelledError")


def test_only_the_async_handler_of_the_cancelled_job_is_cancelled(make_queue: MakeQueue) -> None:
    gate, awaiting = AsyncGate(), Awaiting()

    async def handler(self: QueueService, item: str) -> str:
        if item == "long":
            await awaiting.long()
        await gate.hold()
        return item

    with make_queue(handler, worker_count=3) as queue:
        long, one, two = queue.enqueue_many(["long", "one", "two"])
        awaiting.wait_begun()
        gate.wait_held(2)
        queue.cancel(long.id)
        assert finished(queue, long)[0].status == "cancelled"
        gate.open()
        assert [job.result for job in finished(queue, one, two)] == ["one", "two"]
