"""Unique keys: one job holds a key at a time, and lets it go for good."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import apsw
import pytest

from sprag.queue import (
    ConfigurationError,
    Job,
    JobExists,
    QueueFull,
    QueueService,
    Retry,
    new_job_id,
)
from sprag.queue.service import life_of
from sprag.queue.work import execution
from tests.conftest import MakeQueue
from tests.support import DEADLINE, PATIENCE, Gate, finished, named, sql

PROGRAMS = Path(__file__).with_name("programs")


def holder(queue: QueueService, key: str = "key") -> str | None:
    """The id of the job that holds the key."""
    rows = sql(queue.path, "SELECT id FROM job WHERE unique_key = ?", (key,))
    return rows[0][0] if rows else None


def test_the_job_that_holds_the_key_is_returned(make_queue: MakeQueue) -> None:
    queue = make_queue()
    first = queue.enqueue(1, unique="key", label="first")
    second = queue.enqueue(2, unique="key", label="second")
    assert (first.existing, first.unique, first.unique_for) == (False, "key", "unfinished")
    assert second == first._replace(existing=True)
    assert queue.get(first.id) == first
    assert [job.id for job in queue.jobs()] == [first.id]


def test_another_queue_of_the_file_has_keys_of_its_own(make_queue: MakeQueue) -> None:
    one, other = make_queue(), make_queue(name="other")
    assert not one.enqueue(1, unique="key").existing
    assert not other.enqueue(1, unique="key").existing
    assert not one.enqueue(1, unique="another").existing
    assert not one.enqueue(1).existing


@pytest.mark.parametrize("hold", ["queued", "unfinished"])
def test_a_key_for_queued_is_let_go_at_the_start_and_one_for_unfinished_at_the_end(
    make_queue: MakeQueue, hold: Any
) -> None:
    gate = Gate()
    with make_queue(lambda self, item: gate.hold(), worker_count=1) as queue:
        first = queue.enqueue(1, unique="key", unique_for=hold)
        gate.wait_held()
        assert queue.get(first.id).unique == (None if hold == "queued" else "key")
        second = queue.enqueue(2, unique="key", unique_for=hold)
        assert second.existing == (hold == "unfinished")
        gate.open()
        finished(queue, first, second)
        assert holder(queue) is None
        assert not queue.enqueue(3, unique="key").existing


def ends(queue: QueueService, item: str) -> Any:
    if item == "fail":
        raise ValueError
    if item == "cancel":
        queue.cancel(queue.current_job.id)
        queue.check_cancelled()
    return item


@pytest.mark.parametrize("end", ["complete", "fail", "cancel"])
def test_every_end_lets_the_key_go(make_queue: MakeQueue, end: str) -> None:
    with make_queue(ends) as queue:
        [job] = finished(queue, queue.enqueue(end, unique="key"))
        assert (job.unique, job.unique_for, holder(queue)) == (None, None, None)


def test_a_queued_job_that_is_cancelled_lets_its_key_go(make_queue: MakeQueue) -> None:
    queue = make_queue()
    job = queue.enqueue(1, unique="key", unique_for="queued")
    assert queue.cancel(job.id).unique is None
    assert not queue.enqueue(1, unique="key").existing


def test_a_requeued_job_runs_without_its_key(make_queue: MakeQueue) -> None:
    queue = make_queue()
    for hold in ("unfinished", "queued", "1h"):
        first = queue.enqueue(1, unique=hold, unique_for=hold)
        queue.cancel(first.id)
        second = queue.enqueue(2, unique=hold)
        assert second.existing == (hold == "1h")
        assert queue.requeue(first.id).unique is None
        third = queue.enqueue(3, unique=hold)
        assert third.existing == (hold != "1h")
        assert third.id != first.id


def test_retries_and_releases_keep_a_key_for_unfinished_and_take_none_back(
    make_queue: MakeQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "_LEAST_SECONDS", 0.0)
    held: list[str | None] = []

    def handler(self: QueueService, item: str) -> None:
        run = self.current_job.run
        held.append(self.get(run.id).unique)
        if run.starts < 3:
            raise Retry(after=0, counted=run.starts == 1)
        other = self.enqueue("other", unique=item)
        held.append(other.id if other.existing else "new")

    with make_queue(handler, max_attempts=2, worker_count=1) as queue:
        [job] = finished(queue, queue.enqueue("a", unique="a"))
        assert held == ["a", "a", "a", job.id]
        del held[:]
        finished(queue, queue.enqueue("b", unique="b", unique_for="queued"))
        assert held[:4] == [None, None, None, "new"]


def test_a_job_that_is_recovered_keeps_its_key(make_queue: MakeQueue, database: Path) -> None:
    program = PROGRAMS / "dies_with_a_job.py"
    code = subprocess.run(
        [sys.executable, program, database, "key"], timeout=PATIENCE, check=False
    ).returncode
    assert code == 9
    gate = Gate()
    with make_queue(lambda self, item: gate.hold(), name="other") as queue:
        gate.wait_held()
        again = queue.enqueue(2, unique="key")
        assert (again.existing, again.item, again.status) == (True, 1, "running")
        gate.open()
        finished(queue, again)
        assert holder(queue) is None


def test_a_key_for_a_time_is_held_until_then_whatever_becomes_of_the_job(
    make_queue: MakeQueue,
) -> None:
    queue = make_queue()
    store = life_of(queue).open().store
    store.clock = lambda: 1000.0
    first = queue.enqueue(1, unique="key", unique_for="1m")
    assert (first.unique, first.unique_for, first.unique_until) == ("key", None, 1060.0)
    queue.cancel(first.id)
    store.clock = lambda: 1059.9
    again = queue.enqueue(2, unique="key")
    assert (again.id, again.existing, again.status) == (first.id, True, "cancelled")
    store.clock = lambda: 1060.0
    second = queue.enqueue(3, unique="key", unique_for="1m")
    assert (second.existing, second.unique_until) == (False, 1120.0)
    assert queue.get(first.id).unique is None
    assert holder(queue) == second.id


# ---------------------------------------------------------------- several at once


def test_of_threads_that_enqueue_at_once_one_makes_the_job(make_queue: MakeQueue) -> None:
    queue = make_queue()
    barrier = threading.Barrier(8)

    def call(number: int) -> list[Job]:
        barrier.wait(DEADLINE)
        return [queue.enqueue(number, unique=f"key {n}") for n in range(20)]

    with ThreadPoolExecutor(8) as threads:
        called = list(threads.map(call, range(8)))
    for jobs in zip(*called, strict=True):
        assert len({job.id for job in jobs}) == 1
        assert [job.existing for job in jobs].count(False) == 1


def test_of_processes_that_enqueue_at_once_one_makes_the_job(
    make_queue: MakeQueue, database: Path
) -> None:
    make_queue().jobs()  # makes the file
    program = PROGRAMS / "enqueues_unique.py"
    children = [
        subprocess.Popen(
            [sys.executable, program, database], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]  # fmt: skip
    try:
        for child in children:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
        for child in children:
            assert child.stdin is not None
            child.stdin.write("go\n")
            child.stdin.flush()
        said = [child.communicate(timeout=PATIENCE)[0].splitlines() for child in children]
        told = [[line.split() for line in lines] for lines in said]
    finally:
        for child in children:
            child.kill()
            child.wait()
    assert [len(lines) for lines in told] == [50] * 3
    for answers in zip(*told, strict=True):
        assert len({id_ for id_, _ in answers}) == 1
        assert sorted(existing for _, existing in answers) == ["False", "True", "True"]


def test_an_event_loop_has_the_same(make_queue: MakeQueue) -> None:
    queue = make_queue()

    async def main() -> list[Job]:
        return await asyncio.gather(*(queue.aenqueue(n, unique="key") for n in range(5)))

    jobs = asyncio.run(main())
    assert len({job.id for job in jobs}) == 1
    assert [job.existing for job in jobs].count(False) == 1


def test_an_idle_worker_gets_it_in_the_same_commit(make_queue: MakeQueue) -> None:
    with make_queue() as queue:
        [job] = finished(queue, queue.enqueue("item", unique="key"))
        assert job.result == "item"


# ---------------------------------------------------------------- many


def test_many_have_a_key_for_each_item_or_none(make_queue: MakeQueue) -> None:
    queue = make_queue()
    before = queue.enqueue("b", unique="b")

    def key(item: str) -> str | None:
        return None if item == "free" else item

    jobs = queue.enqueue_many(["a", "b", "free", "a", "free"], unique=key)
    assert [job.existing for job in jobs] == [False, True, False, True, False]
    assert jobs[1].id == before.id
    assert jobs[3].id == jobs[0].id
    assert [job.unique for job in jobs] == ["a", "b", None, "a", None]
    assert len(list(queue.jobs())) == 4


def test_many_are_stored_or_none_and_those_that_exist_need_no_room(make_queue: MakeQueue) -> None:
    queue = make_queue(max_queued=2)
    queue.enqueue("a", unique="a")
    with pytest.raises(QueueFull) as full:
        queue.enqueue_many(["a", "b", "c"], unique=str)
    assert (full.value.offered, full.value.limit) == (3, 2)
    assert [job.item for job in queue.jobs()] == ["a"]
    assert [job.existing for job in queue.enqueue_many(["a", "b", "a"], unique=str)] == [
        True, False, True,
    ]  # fmt: skip


def test_one_key_for_many_is_refused(make_queue: MakeQueue) -> None:
    with pytest.raises(ConfigurationError, match="expected a function of the item in enqueue_many"):
        make_queue().enqueue_many([1, 2], unique="key")


def test_an_iterator_of_items_is_read_once(make_queue: MakeQueue) -> None:
    jobs = make_queue().enqueue_many(iter(["a", "a", "b"]), unique=str)
    assert [job.existing for job in jobs] == [False, True, False]


# ---------------------------------------------------------------- with an id


def test_a_job_with_the_id_comes_before_one_with_the_key(make_queue: MakeQueue) -> None:
    queue = make_queue()
    id_ = new_job_id()
    first = queue.enqueue(1, job_id=id_, unique="key")
    assert (first.id, first.existing) == (id_, False)
    assert queue.enqueue(1, job_id=id_, unique="key").existing
    other = queue.enqueue(
        2, job_id=new_job_id(), unique="key"
    )  # found by its key: any item will do
    assert (other.id, other.existing) == (id_, True)
    with pytest.raises(JobExists):
        queue.enqueue(2, job_id=id_, unique="key")
    assert queue.enqueue(1, job_id=id_).existing


# ---------------------------------------------------------------- what is refused


BAD: list[tuple[dict[str, Any], str]] = [
    ({"unique": ""}, "unique: expected printable text of 1 to 500 characters"),
    ({"unique": 7}, "got 7. Use a hash of what is longer"),
    ({"unique": b"key"}, "got b'key'"),
    ({"unique": "x" * 10_240}, "(10,240 characters)"),
    ({"unique": "a\nb"}, "unique: expected printable text"),
    ({"unique": "\ud800"}, "unique: expected printable text"),
    ({"unique": lambda item: 7}, "got 7 from the function"),
    ({"unique": lambda item: ""}, "from the function"),
    ({"unique_for": "queued"}, "unique_for: expected a key as well"),
    ({"unique": "key", "unique_for": "running"}, 'unique_for: expected "queued", "unfinished", or'),
    ({"unique": "key", "unique_for": 0}, "unique_for: expected more than 0 seconds"),
    ({"unique": "key", "unique_for": -1}, "unique_for: expected"),
    ({"unique": "key", "unique_for": None}, "unique_for: expected"),
    ({"unique": "key", "unique_for": float("inf")}, "unique_for: expected"),
    ({"uniqe": "key"}, "did you mean 'unique'"),
]


@pytest.mark.parametrize(("given", "words"), BAD, ids=named)
def test_a_bad_key_is_refused_with_what_was_expected(
    make_queue: MakeQueue, given: dict[str, Any], words: str
) -> None:
    queue = make_queue()
    with pytest.raises(ConfigurationError) as told:
        queue.enqueue(1, **given)
    assert words in str(told.value)
    assert not list(queue.jobs())


def test_what_the_function_raises_is_raised(make_queue: MakeQueue) -> None:
    def key(item: Any) -> str:
        return str(item["user"])

    with pytest.raises(KeyError):
        make_queue().enqueue({}, unique=key)


# ---------------------------------------------------------------- other programs


def test_a_key_of_another_program_is_held_until_the_job_has_ended(
    make_queue: MakeQueue, database: Path
) -> None:
    gate = Gate()
    with make_queue(lambda self, item: gate.hold()) as queue:
        insert = "INSERT INTO job (queue, item, unique_key) VALUES ('work', '1', 'key')"
        sql(database, insert)
        with pytest.raises(apsw.ConstraintError):
            sql(database, insert)
        sql(database, insert.replace("INSERT", "INSERT OR IGNORE"))
        gate.wait_held()
        job = queue.enqueue(2, unique="key")
        assert (job.existing, job.status) == (True, "running")
        gate.open()
        finished(queue, job)
        assert holder(queue) is None


def test_no_program_takes_a_key_back(make_queue: MakeQueue, database: Path) -> None:
    queue = make_queue()
    job = queue.enqueue(1, unique="key")
    queue.cancel(job.id)
    with pytest.raises(apsw.ConstraintError, match="keeps its unique key, or lets it go"):
        sql(database, "UPDATE job SET unique_key = 'key'")
