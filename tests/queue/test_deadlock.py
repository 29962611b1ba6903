"""Handlers that wait for jobs: they give way with their own, and none waits for ever in silence."""

from __future__ import annotations

import asyncio
import contextvars
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from sprag.queue import Job, QueueService, WaitInsideHandler, WaitTimeout, new_job_id
from sprag.queue.work import deadlock, pool
from tests.conftest import MakeQueue
from tests.support import DEADLINE, Seen, finished, sql, unmeasured, wait, wait_until

PROGRAMS = Path(__file__).parent / "programs"


def refused(queue: QueueService, job_id: str) -> str:
    """What a wait is refused with, in a handler."""
    with pytest.raises(WaitInsideHandler) as refusal:
        queue.wait(job_id)
    assert refusal.value.job_id == job_id
    return str(refusal.value)


def test_a_wait_in_a_handler_ends_when_its_own_job_is_cancelled(make_queue: MakeQueue) -> None:
    other = make_queue(name="other")
    never, begun = other.enqueue("never run"), threading.Event()

    def handler(self: QueueService, item: Any) -> None:
        begun.set()
        other.wait(never.id)

    with make_queue(handler) as queue:
        job = queue.enqueue(1)
        wait(begun)
        queue.cancel(job.id)
        assert finished(queue, job)[0].status == "cancelled"
    assert other.get(never.id).status == "queued"


def test_a_wait_in_a_handler_ends_with_the_grace_of_its_queue(
    make_queue: MakeQueue, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "_YIELD_SECONDS", DEADLINE)  # however busy the machine is
    other = make_queue(name="other")
    never, begun = other.enqueue("never run"), threading.Event()

    def handler(self: QueueService, item: Any) -> None:
        begun.set()
        other.wait(never.id)

    queue = make_queue(handler).start()
    job = queue.enqueue(1)
    wait(begun)
    queue.stop(0)
    assert [move.event for move in queue.history(job.id)] == ["enqueue", "start", "release"]
    assert "still running" not in caplog.text


def test_a_handler_may_wait_for_a_job_that_another_worker_runs(make_queue: MakeQueue) -> None:
    def handler(self: QueueService, item: int) -> int:
        return 1 if item < 2 else self.wait(self.enqueue(item - 1).id).result + item

    with make_queue(handler, worker_count=4) as queue:
        assert finished(queue, queue.enqueue(4))[0].result == 10


def test_a_handler_cannot_wait_for_its_own_job(make_queue: MakeQueue) -> None:
    def handler(self: QueueService, item: Any) -> str:
        return refused(self, self.current_job.id)

    with make_queue(handler) as queue:
        [done] = finished(queue, queue.enqueue(1))
    assert f"job {done.id!r} would wait for job {done.id!r} forever" in done.result


def test_the_last_worker_does_not_wait_for_a_job_that_only_a_worker_could_start(
    make_queue: MakeQueue,
) -> None:
    together = threading.Barrier(3)

    def handler(self: QueueService, item: Any) -> str:
        if item == "leaf":
            return "ran"
        together.wait(DEADLINE)
        leaf = self.enqueue("leaf")
        try:
            return str(self.wait(leaf.id).result)
        except WaitInsideHandler as refusal:
            return str(refusal)

    with make_queue(handler, worker_count=3) as queue:
        results = [job.result for job in finished(queue, *queue.enqueue_many("abc"))]
    # One gave way, so that the others went on.
    assert sorted(results)[1:] == ["ran", "ran"] or results.count("ran") == 2
    [told] = [result for result in results if result != "ran"]
    assert "raise worker_count" in told
    assert told.count(" of work waits for ") == 3


def test_queues_that_wait_for_each_other_are_a_circle_too(make_queue: MakeQueue) -> None:
    queues: dict[str, QueueService] = {}
    together = threading.Barrier(2)

    def handler(self: QueueService, item: Any) -> str:
        if item == "leaf":
            return "ran"
        together.wait(DEADLINE)
        other = queues["one" if self.name == "two" else "two"]
        try:
            return str(other.wait(other.enqueue("leaf").id).result)
        except WaitInsideHandler:
            return "refused"

    for name in ("one", "two"):
        queues[name] = make_queue(handler, name=name, worker_count=1)
    with queues["one"] as one, queues["two"] as two:
        jobs = [(queue, queue.enqueue("wait")) for queue in (one, two)]
        assert sorted(finished(queue, job)[0].result for queue, job in jobs) == ["ran", "refused"]


def test_jobs_that_run_and_wait_for_each_other_are_a_circle(make_queue: MakeQueue) -> None:
    ids = [new_job_id(), new_job_id()]
    together = threading.Barrier(2)

    def handler(self: QueueService, item: int) -> str:
        together.wait(DEADLINE)
        try:
            return self.wait(ids[1 - item]).status
        except WaitInsideHandler:
            return "refused"

    with make_queue(handler, worker_count=4) as queue:
        for item, id_ in enumerate(ids):
            queue.enqueue(item, job_id=id_)
        assert sorted(job.result for job in finished(queue, *ids)) == ["completed", "refused"]


def test_a_wait_with_a_time_out_ends_by_itself(make_queue: MakeQueue) -> None:
    def handler(self: QueueService, item: Any) -> str:
        if item == "leaf":
            return "ran"
        with pytest.raises(WaitTimeout):
            self.wait(self.enqueue("leaf").id, timeout=0.5)
        return "went on"

    with make_queue(handler, worker_count=1) as queue:
        assert finished(queue, queue.enqueue("wait"))[0].result == "went on"


def test_what_another_process_may_run_is_waited_for_and_the_circle_is_logged(
    make_queue: MakeQueue, database: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setattr(deadlock, "_CHECK_SECONDS", 0.01)
    waits = threading.Event()

    def handler(self: QueueService, item: Any) -> Any:
        if item != "wait":
            return item
        leaf = self.enqueue("leaf")
        waits.set()
        return self.wait(leaf.id).result

    queue = make_queue(handler, worker_count=1)
    busy = queue.enqueue("busy")
    command = [sys.executable, str(PROGRAMS / "another_worker.py"), str(database)]
    with subprocess.Popen(
        command, env=unmeasured(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert {process.stdout.readline(), process.stdout.readline()} == {"runs\n", "busy\n"}
        wait_until(lambda: sql(database, "SELECT workers ->> 'work' FROM owner") == [(1,)])
        with queue:
            job = queue.enqueue("wait")
            wait(waits)
            wait_until(lambda: "handlers wait for each other" in caplog.text)
            assert queue.get(job.id).status == "running"
            process.stdin.write("go on\n")
            process.stdin.flush()
            for done in finished(queue, busy, job):
                assert done.result == "elsewhere"
        process.stdin.close()


@pytest.mark.parametrize("in_a_task", [False, True])
def test_an_async_handler_is_refused_a_wait_that_would_block_its_loop(
    make_queue: MakeQueue, in_a_task: bool
) -> None:
    async def handler(self: QueueService, item: Any) -> Any:
        leaf = self.enqueue("leaf")
        if item == "leaf":
            return "ran"
        if not in_a_task:
            return refused(self, leaf.id)

        async def waiting() -> str:
            return refused(self, leaf.id)

        return await asyncio.create_task(waiting())

    with make_queue(handler) as queue:
        [done] = finished(queue, queue.enqueue("wait"))
    assert "would block the event loop" in done.result
    assert "await queue.await_job(" in done.result


def test_an_async_handler_may_wait_in_a_thread(make_queue: MakeQueue) -> None:
    async def handler(self: QueueService, item: Any) -> Any:
        if item == "leaf":
            return "ran"
        return (await asyncio.to_thread(self.wait, self.enqueue("leaf").id)).result

    with make_queue(handler, worker_count=2) as queue:
        assert finished(queue, queue.enqueue("wait"))[0].result == "ran"


async def in_a_thread(queue: QueueService, job_id: str) -> Job:
    return await asyncio.to_thread(queue.wait, job_id)


@pytest.mark.parametrize("waiting", [in_a_thread, QueueService.await_job])
def test_async_handlers_that_wait_for_each_other_are_logged_and_can_be_cancelled(
    make_queue: MakeQueue, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    waiting: Callable[[QueueService, str], Awaitable[Job]],
) -> None:  # fmt: skip
    monkeypatch.setattr(deadlock, "_CHECK_SECONDS", 0.01)

    async def handler(self: QueueService, item: Any) -> Any:
        return "ran" if item == "leaf" else (await waiting(self, self.enqueue("leaf").id)).result

    with make_queue(handler, worker_count=1) as queue:
        job = queue.enqueue("wait")
        wait_until(lambda: "handlers wait for each other" in caplog.text)
        queue.cancel(job.id)
        assert finished(queue, job)[0].status == "cancelled"
        # The worker is free again.
        finished(queue, *(leaf.id for leaf in queue.jobs()))


def test_an_async_handler_may_await_a_job_that_another_worker_runs(make_queue: MakeQueue) -> None:
    async def handler(self: QueueService, item: Any) -> Any:
        return "ran" if item == "leaf" else (await self.await_job(self.enqueue("leaf").id)).result

    with make_queue(handler, worker_count=2) as queue:
        assert finished(queue, queue.enqueue("wait"))[0].result == "ran"


# ---------------------------------------------------------------- whose wait it is


@pytest.mark.parametrize("own", [True, False], ids=["its own job", "a job behind it"])
def test_a_thread_for_which_its_handler_does_not_wait_is_not_refused(
    make_queue: MakeQueue, own: bool
) -> None:
    """It has the handler's context, as the threads of an executor may, but the handler ends."""
    ends: Seen = Seen()

    def helper(queue: QueueService, job_id: str) -> None:
        try:
            ends(queue.wait(job_id).status)
        except WaitInsideHandler as refusal:
            ends(refusal)

    def has_looked() -> bool:
        return bool(ends.all) or any(wait._check_at for wait in deadlock._waits.values())

    def handler(self: QueueService, item: Any) -> Any:
        if item == "leaf":
            return "ran"
        awaited = self.current_job.id if own else self.enqueue("leaf").id
        run = contextvars.copy_context().run
        threading.Thread(target=run, args=(helper, self, awaited), daemon=True).start()
        wait_until(has_looked)
        return "done"

    with make_queue(handler, worker_count=1) as queue:
        assert finished(queue, queue.enqueue("first"))[0].result == "done"
        assert ends.wait_for(len) == ["completed"]


def test_a_handler_may_wait_for_a_job_whose_helper_waits_for_its_own(
    make_queue: MakeQueue,
) -> None:
    """The first goes on, and so does the second: only a helper of the first waits."""
    ids = [new_job_id(), new_job_id()]
    waits, go = threading.Event(), threading.Event()
    ends: Seen = Seen()

    def handler(self: QueueService, item: int) -> str:
        if item == 0:
            run = contextvars.copy_context().run
            threading.Thread(
                target=lambda: ends(run(self.wait, ids[1]).status), daemon=True
            ).start()
            wait_until(lambda: bool(deadlock._waits))
            waits.set()
            wait(go)
            return "first"
        wait(waits)
        threading.Thread(target=once_both_wait, daemon=True).start()
        return f"second after {self.wait(ids[0]).result}"

    def once_both_wait() -> None:
        wait_until(lambda: len(deadlock._waits) == 2)
        go.set()

    with make_queue(handler, worker_count=2) as queue:
        for item in (1, 0):
            queue.enqueue(item, job_id=ids[item])
        results = [job.result for job in finished(queue, *ids)]
        assert results == ["first", "second after first"]
        assert ends.wait_for(len) == ["completed"]


def test_a_circle_is_refused_whatever_else_waits(make_queue: MakeQueue) -> None:
    """A helper's wait, which may end or not, is beside a handler's that cannot."""
    other = make_queue(lambda self, item: held(self), name="other", worker_count=1)
    waits = threading.Event()

    def held(self: QueueService) -> str:
        leaf = self.enqueue("leaf")
        with ThreadPoolExecutor(1) as threads:
            run = contextvars.copy_context().run
            helper = threads.submit(run, self.wait, leaf.id, DEADLINE)
            wait_until(lambda: bool(deadlock._waits))
            waits.set()
            self.cancel(leaf.id) if over.wait(DEADLINE) else None
            return helper.result().status

    over = threading.Event()

    def handler(self: QueueService, item: Any) -> str:
        wait(waits)
        return refused(self, self.enqueue("leaf").id)

    with other, make_queue(handler, worker_count=1) as queue:
        beside = other.enqueue("beside")
        job = queue.enqueue("wait")
        assert "raise worker_count" in finished(queue, job)[0].result
        over.set()
        queue.stop()
        assert finished(other, beside)[0].result == "cancelled"


def test_an_async_handler_is_refused_to_await_its_own_job(make_queue: MakeQueue) -> None:
    async def handler(self: QueueService, item: Any) -> Any:
        with pytest.raises(WaitInsideHandler) as refusal:
            await self.await_job(self.current_job.id)
        assert refusal.value.job_id == self.current_job.id
        with pytest.raises(WaitTimeout):
            await self.await_job(self.current_job.id, timeout=0.01)
        return str(refusal.value)

    with make_queue(handler) as queue:
        [done] = finished(queue, queue.enqueue(1))
    assert done.result == (
        f"job {done.id!r} would wait for itself forever: its handler awaits the end of its own job"
    )


def test_a_task_that_outlives_its_handler_may_await_the_handler_s_job(
    make_queue: MakeQueue,
) -> None:
    ends: Seen = Seen()
    tasks: list[asyncio.Task[None]] = []

    async def told(queue: QueueService, job_id: str) -> None:
        ends((await queue.await_job(job_id)).result)

    async def handler(self: QueueService, item: Any) -> Any:
        tasks.append(asyncio.create_task(told(self, self.current_job.id)))
        await asyncio.sleep(0)
        return "done"

    with make_queue(handler) as queue:
        finished(queue, queue.enqueue(1))
        assert ends.wait_for(len) == ["done"]
