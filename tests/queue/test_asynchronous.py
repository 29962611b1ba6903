"""The awaitable calls do what the plain ones do, and never block the event loop."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

from sprag.queue import (
    ConfigurationError,
    DatabaseLocked,
    Job,
    JobNotFound,
    PayloadError,
    QueueClosed,
    QueueFull,
    QueueService,
    WaitTimeout,
    new_job_id,
)
from sprag.queue.service import life_of
from sprag.queue.threads.inside import here
from sprag.queue.work.engine import Engine
from tests.conftest import MakeQueue
from tests.support import DEADLINE, Gate, finished, raw, wait_until

R = TypeVar("R")


def run(task: Coroutine[Any, Any, R]) -> R:
    """The result of a coroutine that has to end in time."""
    return asyncio.run(asyncio.wait_for(task, DEADLINE))


TWINS = {"aenqueue": "enqueue", "aenqueue_many": "enqueue_many", "aget": "get",
         "acancel": "cancel", "await_job": "wait"}  # fmt: skip


@pytest.mark.parametrize(("twin", "plain"), TWINS.items())
def test_a_twin_takes_what_the_plain_call_takes(twin: str, plain: str) -> None:
    awaited = getattr(QueueService, twin)
    assert inspect.signature(awaited) == inspect.signature(getattr(QueueService, plain))
    assert inspect.iscoroutinefunction(awaited)
    assert awaited.__doc__.startswith(f"Like `{plain}`, but awaitable")


def test_they_do_what_the_plain_calls_do(make_queue: MakeQueue) -> None:
    async def use(queue: QueueService) -> None:
        id_ = new_job_id()
        job = await queue.aenqueue({"a": 1}, job_id=id_, label="first", delay="1h")
        assert (job.id, job.label, job.status) == (id_, "first", "queued")
        assert await queue.aget(id_) == queue.get(id_) == job
        assert (await queue.acancel(id_)).status == "cancelled"
        many = await queue.aenqueue_many((n for n in range(3)), priority=1)
        assert [job.item for job in many] == [0, 1, 2]
        queue.start()
        ended = await asyncio.gather(*(queue.await_job(job.id) for job in many))
        assert [job.result for job in ended] == [0, 1, 2]
        assert (await queue.await_job(id_, timeout=0)).status == "cancelled"

    run(use(make_queue()))


def test_they_refuse_what_the_plain_calls_refuse(make_queue: MakeQueue) -> None:
    async def use(queue: QueueService) -> None:
        wrong: dict[str, Any] = {"prioritty": 1}
        refused: list[tuple[type[Exception], Awaitable[Any]]] = [
            (PayloadError, queue.aenqueue(object())),
            (PayloadError, queue.aenqueue_many([1, object()])),
            (ConfigurationError, queue.aenqueue(1, **wrong)),
            (ConfigurationError, queue.aenqueue(1, priority="high")),  # type: ignore[arg-type]
            (JobNotFound, queue.aget("mine")),
            (JobNotFound, queue.acancel(new_job_id())),
            (JobNotFound, queue.await_job(new_job_id())),
            (ConfigurationError, queue.await_job(new_job_id(), timeout="soon")),
        ]
        for error, call in refused:
            with pytest.raises(error):
                await call
        job = await queue.aenqueue(1)
        with pytest.raises(WaitTimeout):
            await queue.await_job(job.id, timeout=0.01)
        with pytest.raises(QueueFull):
            await queue.aenqueue(2)

    run(use(make_queue(max_queued=1)))


def test_a_subclass_s_own_enqueue_is_called(make_queue: MakeQueue) -> None:
    class Labelled(QueueService):
        name = "work"

        def enqueue(self, item: Any, **options: Any) -> Job:
            return super().enqueue(item, **{"label": "always", **options})

    assert run(make_queue(Labelled).aenqueue(1)).label == "always"


def test_the_context_of_the_caller_is_seen_in_the_call(make_queue: MakeQueue) -> None:
    who = contextvars.ContextVar("who", default="nobody")

    class Looks(QueueService):
        name = "work"

        def get(self, job_id: str) -> Job:
            seen.append(who.get())
            return super().get(job_id)

    seen: list[str] = []

    async def use(queue: QueueService) -> None:
        job = await queue.aenqueue(1)
        who.set("somebody")
        await queue.aget(job.id)

    run(use(make_queue(Looks)))
    assert seen == ["somebody"]


# ---------------------------------------------------------------- a file that is locked


async def beats(while_: Awaitable[R], beats_: list[float]) -> R:
    """The result, while a clock in the same loop notes how long it was held up."""
    task = asyncio.ensure_future(while_)
    while not task.done():
        before = time.monotonic()
        await asyncio.sleep(0.005)
        beats_.append(time.monotonic() - before)
    return await task


def test_no_call_blocks_the_loop_while_the_file_is_locked(
    make_queue: MakeQueue, database: Path
) -> None:
    queue = make_queue(busy_seconds=DEADLINE)
    known = queue.enqueue("before")
    held: list[float] = []

    async def use() -> list[Job]:
        calls = [queue.aenqueue(n) for n in range(50)]
        writes = asyncio.gather(*calls, queue.acancel(known.id), queue.aenqueue_many([1]))
        # Reads go on: in the WAL, no writer holds them up.
        for _ in range(20):
            assert (await queue.aget(known.id)).status == "queued"
        assert not writes.done()
        release.set()
        done = await beats(writes, held)
        return [job for job in done if isinstance(job, Job)]

    release = threading.Event()
    with raw(database) as other:
        other.execute("BEGIN IMMEDIATE")

        def unlock() -> None:
            release.wait(DEADLINE)
            other.execute("ROLLBACK")

        unlocking = threading.Thread(target=unlock)
        unlocking.start()
        jobs = run(use())
        unlocking.join(DEADLINE)
    assert len({job.id for job in jobs}) == 51
    assert queue.counts() == {**dict.fromkeys(queue.counts(), 0), "queued": 51, "cancelled": 1}


def test_a_lock_that_is_not_let_go_is_told_as_ever_and_holds_nobody_up(
    make_queue: MakeQueue, database: Path
) -> None:
    queue = make_queue(busy_seconds=0.5)
    queue.counts()
    held: list[float] = []

    async def use() -> None:
        with pytest.raises(DatabaseLocked):
            await beats(queue.aenqueue(1), held)

    with raw(database) as other:
        other.execute("BEGIN IMMEDIATE")
        run(use())
        other.execute("ROLLBACK")
    # In half a second, a loop that is blocked beats once.
    assert len(held) > 5


def test_a_file_that_has_to_be_opened_first_holds_nobody_up(
    make_queue: MakeQueue, database: Path
) -> None:
    make_queue().enqueue(1)
    queue = make_queue(QueueService, name="other")
    opened = life_of(queue).open
    gate = Gate()

    def open_late() -> Engine:
        gate.hold()
        return opened()

    life_of(queue).open = open_late  # type: ignore[method-assign]

    async def use() -> None:
        job = new_job_id()
        calls = [queue.aget(job), queue.await_job(job), queue.acancel(job), queue.aenqueue(1)]
        tasks = [asyncio.ensure_future(call) for call in calls]
        await asyncio.to_thread(gate.wait_held, len(tasks))
        gate.open()
        await asyncio.wait(tasks)
        assert [type(task.exception()) for task in tasks] == [JobNotFound] * 3 + [type(None)]

    run(use())


# ---------------------------------------------------------------- many who wait


def threads() -> int:
    return sum(thread.name.startswith("sprag-") for thread in threading.enumerate())


def test_many_wait_without_a_thread_each(make_queue: MakeQueue) -> None:
    gate = Gate()
    queue = make_queue(lambda self, item: gate.hold(), worker_count=4).start()
    jobs = queue.enqueue_many(range(500))

    async def use() -> None:
        waits = [asyncio.ensure_future(queue.await_job(job.id)) for job in jobs]
        await asyncio.to_thread(wait_until, lambda: waited(queue) == 500)
        assert threads() < 20
        gate.open()
        done = await asyncio.gather(*waits)
        assert {job.status for job in done} == {"completed"}

    run(use())
    assert waited(queue) == 0


def waited(queue: QueueService) -> int:
    return len(life_of(queue).open().observers._waiters)


def test_those_who_wait_are_woken_by_the_end_of_their_job_only(
    make_queue: MakeQueue, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue, other = make_queue(), make_queue(name="other").start()
    jobs = queue.enqueue_many(range(20), delay=1000)
    store = life_of(queue).open().store
    look, looks = store.jobs.get, [0]

    def counted(*args: Any) -> Job:
        looks[0] += 1
        return look(*args)

    monkeypatch.setattr(store.jobs, "get", counted)

    async def use() -> None:
        waits = [asyncio.ensure_future(queue.await_job(job.id)) for job in jobs]
        await asyncio.to_thread(wait_until, lambda: looks[0] == 20)
        for n in range(10):
            # Commits in plenty, of this process and of others.
            await asyncio.to_thread(finished, other, other.enqueue(n))
            with raw(database) as file:
                file.execute("UPDATE job SET label = ? WHERE id = ?", (str(n), jobs[0].id))
        with raw(database) as file:
            file.execute(
                "UPDATE job SET status = 'cancelled', event = 'cancel', moved_at = created_at "
                "WHERE id = ?", (jobs[7].id,)
            )  # fmt: skip
        assert (await waits[7]).status == "cancelled"
        for task in waits:
            task.cancel()
        await asyncio.wait(waits)

    run(use())
    # 10 jobs of the other queue, by a few looks each; 20 first looks, and one last.
    assert looks[0] <= 20 + 1 + 10 * 4


def test_a_wait_whose_task_is_cancelled_leaves_nothing(make_queue: MakeQueue) -> None:
    queue = make_queue()
    job = queue.enqueue(1)

    async def use() -> None:
        for _ in range(20):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(queue.await_job(job.id), 0.01)

    run(use())
    assert waited(queue) == 0
    assert queue.get(job.id).status == "queued"


def test_a_loop_that_is_gone_holds_up_no_commit(make_queue: MakeQueue) -> None:
    queue = make_queue()
    job = queue.enqueue(1)

    async def use() -> None:
        asyncio.ensure_future(queue.await_job(job.id))  # noqa: RUF006  # left behind on purpose
        await asyncio.to_thread(wait_until, lambda: waited(queue) == 1)

    loop = asyncio.new_event_loop()
    loop.run_until_complete(use())
    [left] = asyncio.all_tasks(loop)
    loop.close()
    queue.start()
    assert finished(queue, job)[0].result == 1
    left._log_destroy_pending = False  # type: ignore[attr-defined]


def test_an_enqueue_that_is_given_up_can_be_repeated(make_queue: MakeQueue, database: Path) -> None:
    queue = make_queue(busy_seconds=DEADLINE)
    queue.counts()
    id_ = new_job_id()

    async def use() -> None:
        with raw(database) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(queue.aenqueue("item", job_id=id_), 0.05)
            other.execute("ROLLBACK")
        assert (await queue.aenqueue("item", job_id=id_)).id == id_

    run(use())
    assert sum(queue.counts().values()) == 1


# ---------------------------------------------------------------- stopping


def test_a_stop_ends_those_who_wait_and_the_threads(make_queue: MakeQueue) -> None:
    queue = make_queue()
    job = queue.enqueue(1)

    async def use() -> None:
        waits = [asyncio.ensure_future(queue.await_job(job.id)) for _ in range(5)]
        await asyncio.to_thread(wait_until, lambda: waited(queue) == 1)
        await asyncio.to_thread(queue.stop)
        for task in waits:
            with pytest.raises(QueueClosed, match="was stopped"):
                await task
        # A queue that was stopped can be used again.
        assert (await queue.aget(job.id)).status == "queued"
        await asyncio.to_thread(queue.stop)

    run(use())
    wait_until(lambda: threads() == 0)


def test_a_queue_that_cannot_be_opened_leaves_no_thread(tmp_path: Path) -> None:
    queue = QueueService(name="work", database=tmp_path)
    with pytest.raises(Exception, match=str(tmp_path)):
        run(queue.aenqueue(1))
    queue.stop()
    wait_until(lambda: threads() == 0)


def test_an_async_handler_may_use_them_also_in_its_grace(make_queue: MakeQueue) -> None:
    held, told = threading.Event(), threading.Event()

    class Work(QueueService):
        name = "work"

        async def handle_item(self, item: Any) -> Any:
            if item == "child":
                return "done"
            child = await self.aenqueue("child")
            held.set()
            while not told.is_set():
                await asyncio.sleep(0.005)
            return (await self.aget(child.id)).item

    queue = make_queue(Work, worker_count=1, grace_seconds=DEADLINE).start()
    job = queue.enqueue("parent")
    assert held.wait(DEADLINE)
    stopping = threading.Thread(target=queue.stop)
    stopping.start()
    pool = life_of(queue).pool
    if pool is not None:
        wait_until(lambda: all(ticket.stopping for ticket in pool._tickets))
    told.set()
    stopping.join(DEADLINE)
    assert queue.get(job.id).result == "child"
    queue.stop()


CALLS: dict[str, Callable[[QueueService], Coroutine[Any, Any, Any]]] = {
    "aenqueue": lambda queue: queue.aenqueue(1),
    "await_job": lambda queue: queue.await_job(new_job_id()),
}


@pytest.mark.parametrize("call", CALLS)
def test_without_an_event_loop_nothing_is_done(make_queue: MakeQueue, call: str) -> None:
    queue = make_queue()
    begun = CALLS[call](queue)
    with pytest.raises(RuntimeError, match="no running event loop"):
        begun.send(None)
    assert sum(queue.counts().values()) == 0


def test_a_task_that_nobody_awaits_any_more_is_collected_anywhere(make_queue: MakeQueue) -> None:
    queue = make_queue()
    job = queue.enqueue("waits")
    observers = life_of(queue).open().observers
    loop = asyncio.new_event_loop()
    abandoned = loop.create_task(queue.await_job(job.id))

    async def until_it_waits() -> None:
        while not observers._waiters:
            await asyncio.sleep(0.001)

    loop.run_until_complete(asyncio.wait_for(until_it_waits(), DEADLINE))
    coroutine = abandoned.get_coro()
    assert coroutine is not None

    def collect() -> None:
        with here.inside, observers._mutex:
            coroutine.close()  # as the garbage collector does, wherever it is

    thread = threading.Thread(target=collect, daemon=True)
    thread.start()
    thread.join(DEADLINE)
    assert not thread.is_alive()
    observers.changed()
    assert not observers._waiters
    loop.close()


def test_tasks_of_a_loop_that_was_closed_are_forgotten_at_the_next_commit(
    make_queue: MakeQueue,
) -> None:
    queue = make_queue()
    jobs = queue.enqueue_many(range(20))
    loop = asyncio.new_event_loop()
    tasks = [loop.create_task(queue.await_job(job.id)) for job in jobs]

    async def until_all_wait() -> None:
        while waited(queue) < len(jobs):
            await asyncio.sleep(0.001)

    loop.run_until_complete(asyncio.wait_for(until_all_wait(), DEADLINE))
    loop.close()
    queue.enqueue("another")
    wait_until(lambda: waited(queue) == 0)
    for task in tasks:
        task.get_coro().close()


class StopsAtOnce:
    """Its author has called next() of something that is empty."""

    def __iter__(self) -> Any:
        return next(iter(()))


def test_a_call_that_raises_stop_iteration_does_not_wait_forever(make_queue: MakeQueue) -> None:
    queue = make_queue()
    with pytest.raises(RuntimeError, match="the call raised StopIteration") as raised:
        run(queue.aenqueue_many(StopsAtOnce()))
    assert isinstance(raised.value.__cause__, StopIteration)
    assert run(queue.aenqueue(1)).status == "queued"
