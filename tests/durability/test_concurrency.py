"""Many threads and processes on one file: bounds hold, nothing hangs, nothing is lost."""

from __future__ import annotations

import asyncio
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import _oracle as oracle
import sprag.queue.work.pool
from sprag.queue import DatabaseError, QueueClosed, QueueError, QueueService
from sprag.queue.ids import new_ids
from sprag.queue.service import life_of
from sprag.queue.store.commit import GroupCommit, Ticket
from sprag.queue.store.tickets import Options
from sprag.queue.work.running import RunningJob
from tests.conftest import MakeQueue
from tests.support import (
    DEADLINE,
    Gate,
    Seen,
    child,
    finished,
    queue_class,
    raw,
    sql,
    threads_left,
    wait,
    wait_until,
)  # fmt: skip

PROGRAMS = Path(__file__).with_name("programs")


def audit(path: Path) -> list[str]:
    with raw(path) as connection:
        return oracle.audit(connection)


def run_threads(targets: list[Callable[[], None]]) -> None:
    """Run them all at once, to their ends; what one raises is raised here."""
    errors: list[BaseException] = []

    def guarded(target: Callable[[], None]) -> None:
        try:
            target()
        except BaseException as error:  # noqa: BLE001  # raised again where the test sees it
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(t,), daemon=True) for t in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
        assert not thread.is_alive(), f"{thread.name} hangs"
    if errors:
        raise errors[0]


def open_files() -> int:
    return len(list(Path("/dev/fd").iterdir()))


class Inside:
    """How many handlers are inside at once, and the most there ever were."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self.now = 0
        self.most = 0
        self.all = 0

    def __enter__(self) -> None:
        with self._mutex:
            self.all += 1
            self.now += 1
            self.most = max(self.most, self.now)

    def __exit__(self, *_: object) -> None:
        with self._mutex:
            self.now -= 1


@contextmanager
def switching_often() -> Iterator[None]:
    """Threads take turns after a microsecond, so that rare orders of steps become frequent."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


# ---------------------------------------------------------------- bounded concurrency


def test_two_queues_of_one_file_each_keep_to_their_own_bound(
    make_queue: MakeQueue, database: Path
) -> None:
    inside = {"one": Inside(), "two": Inside()}
    gates = {"one": Gate(), "two": Gate()}

    def handler(queue: QueueService, item: Any) -> None:
        with inside[queue.name]:
            if item == "hold":
                gates[queue.name].hold()

    one = make_queue(queue_class(handler, "one"), worker_count=3).start()
    two = make_queue(queue_class(handler, "two"), worker_count=2).start()
    jobs = [*one.enqueue_many(["hold"] * 5), *one.enqueue_many(range(100))]
    others = [*two.enqueue_many(["hold"] * 5), *two.enqueue_many(range(100))]
    gates["one"].wait_held(3)
    gates["two"].wait_held(2)
    assert (one.counts()["running"], two.counts()["running"]) == (3, 2)
    for gate in gates.values():
        gate.open()
    finished(one, *jobs)
    finished(two, *others)
    assert (inside["one"].most, inside["two"].most) == (3, 2)
    assert (inside["one"].all, inside["two"].all) == (105, 105)
    assert audit(database) == []


def test_async_handlers_keep_to_the_bound(make_queue: MakeQueue) -> None:
    inside = Inside()
    full = threading.Event()

    async def handler(queue: QueueService, item: int) -> None:
        with inside:
            if inside.now == 3:
                full.set()
            while not full.is_set():
                await asyncio.sleep(0.001)
            for _ in range(item % 4):
                await asyncio.sleep(0)

    queue = make_queue(handler, worker_count=3).start()
    finished(queue, *queue.enqueue_many(range(100)))
    assert inside.most == 3
    assert inside.all == 100


def test_two_processes_share_the_work_and_each_keeps_to_its_bound(
    make_queue: MakeQueue, database: Path
) -> None:
    queue = make_queue(queue_class(name="shared"))
    queue.counts()
    with (
        child(PROGRAMS / "at_once.py", database) as first,
        child(PROGRAMS / "at_once.py", database) as second,
    ):
        for process in (first, second):
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        jobs = queue.enqueue_many(range(200))
        assert {job.status for job in finished(queue, *jobs)} == {"completed"}
        for process in (first, second):
            said, _ = process.communicate("\n", timeout=DEADLINE)
            assert int(said) <= 2
    with raw(database) as connection:
        file = oracle.read(connection)
    assert list(oracle.problems(file)) == []
    assert all([m.event for m in job.moves].count("start") == 1 for job in file.jobs.values())
    assert len({move.owner for move in file.moves if move.event == "start"}) == 2


# ---------------------------------------------------------------- start and stop


def test_starting_and_stopping_hundreds_of_times_leaks_nothing_and_loses_nothing(
    make_queue: MakeQueue, database: Path
) -> None:
    done = Counter[int]()

    def handler(queue: QueueService, item: int) -> None:
        done[item] += 1

    queue = make_queue(handler, worker_count=3, grace_seconds=DEADLINE, durability="normal")
    queue.start()
    queue.stop()
    files = open_files()
    for cycle in range(200):
        queue.start()
        queue.enqueue(cycle)
        if cycle % 3:
            queue.enqueue_many(range(1000, 1003))
        queue.stop()
        assert threads_left() == []
    assert open_files() == files
    assert list(Path(f"{database}-sprag").glob("*.lock")) == []
    counts = queue.start().counts()
    while counts["queued"] or counts["running"]:
        assert counts["failed"] == 0
        counts = queue.counts()
    queue.stop()
    assert sorted(done) == [*range(200), 1000, 1001, 1002]
    assert {done[n] for n in range(200)} == {1}
    assert audit(database) == []


def test_starting_and_stopping_an_async_queue_leaks_nothing(make_queue: MakeQueue) -> None:
    async def handler(queue: QueueService, item: object) -> None:
        await asyncio.sleep(0)

    queue = make_queue(handler, durability="normal", grace_seconds=DEADLINE)
    queue.start()
    queue.stop()
    files = open_files()
    for _ in range(60):
        queue.start()
        queue.enqueue(1)
        queue.stop()
    assert threads_left() == []
    assert open_files() == files


def test_no_job_is_left_running_by_workers_that_stop_as_it_comes(
    make_queue: MakeQueue, database: Path
) -> None:
    # Another queue keeps the file open, so that nobody signs off and releases what is left.
    make_queue(queue_class(name="other"), durability="normal").start()
    queue = make_queue(worker_count=2, durability="normal", grace_seconds=DEADLINE)
    feeder = make_queue(durability="normal")
    stop = threading.Event()
    fed = 0

    def feed() -> None:
        nonlocal fed
        while not stop.wait(0.0005):
            feeder.enqueue(fed)
            fed += 1

    thread = threading.Thread(target=feed)
    thread.start()
    try:
        for _ in range(120):
            queue.start()
            stop.wait(0.002)
            queue.stop()
    finally:
        stop.set()
        thread.join()
    queue.start()
    wait_until(lambda: queue.counts()["completed"] == fed)
    assert audit(database) == []


def test_a_queue_may_be_stopped_under_all_that_can_be_done_with_it(
    make_queue: MakeQueue, database: Path
) -> None:
    accepted: list[str] = []
    rounds = 25
    for _ in range(rounds):
        queue = make_queue(worker_count=2, durability="normal", grace_seconds=DEADLINE).start()
        first = queue.enqueue(0)
        begun = threading.Barrier(8)
        # Only so long, or the queue would be opened anew without end.
        end = time.monotonic() + 0.05

        def use(
            what: Callable[[], object], begun: threading.Barrier = begun, end: float = end
        ) -> None:
            begun.wait(DEADLINE)
            try:
                while time.monotonic() < end:
                    what()
            except QueueClosed:
                return

        def enqueue(queue: QueueService = queue) -> None:
            accepted.append(queue.enqueue(1).id)

        def stop(queue: QueueService = queue, begun: threading.Barrier = begun) -> None:
            begun.wait(DEADLINE)
            time.sleep(random.uniform(0, 0.005))
            queue.stop()

        run_threads(
            [
                lambda: use(enqueue),
                lambda: use(enqueue),
                lambda q=queue, id_=first.id: use(lambda: q.get(id_)),  # type: ignore[misc]  # mypy cannot infer a lambda's default
                lambda q=queue: use(q.counts),  # type: ignore[misc]  # as above
                lambda q=queue: use(lambda: q.jobs(limit=5)),  # type: ignore[misc]  # as above
                lambda q=queue, id_=first.id: use(lambda: q.wait(id_, DEADLINE)),  # type: ignore[misc]  # as above
                stop,
                stop,
            ]
        )
        queue.stop()
    with raw(database) as connection:
        file = oracle.read(connection)
    assert list(oracle.problems(file)) == []
    assert set(accepted) <= set(file.jobs)
    assert not any(job.status in oracle.HELD for job in file.jobs.values())


# ---------------------------------------------------------------- cancelling


def test_a_cancellation_that_races_with_the_end_leads_to_one_legal_end(
    make_queue: MakeQueue, database: Path
) -> None:
    begun = {n: threading.Event() for n in range(150)}
    go = {n: threading.Event() for n in range(150)}

    def handler(queue: QueueService, item: int) -> int:
        begun[item].set()
        wait(go[item])
        if item % 2:
            queue.check_cancelled()
        if item % 3 == 0:
            raise ValueError("no")
        return item

    queue = make_queue(handler, worker_count=2, max_attempts=1, durability="normal").start()
    ends = Counter[str]()
    for n in range(150):
        job = queue.enqueue(n)
        wait(begun[n])
        run_threads([go[n].set, lambda id_=job.id: queue.cancel(id_)])  # type: ignore[misc,list-item]  # mypy cannot infer a lambda's default
        [end] = finished(queue, job)
        ends[end.status] += 1
        events = [move.event for move in queue.history(job.id)]
        assert events[:2] == ["enqueue", "start"]
        assert events[2:] in (
            ["complete"], ["fail"], ["cancel", "complete"], ["cancel", "fail"],
            ["cancel", "confirm"],
        )  # fmt: skip
        assert (
            end.status
            == {"complete": "completed", "fail": "failed", "confirm": "cancelled"}[events[-1]]
        )
    assert ends["completed"]
    assert ends["failed"]
    assert audit(database) == []


def test_a_cancellation_that_comes_as_the_job_begins_reaches_it(
    make_queue: MakeQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()

    class Slow(RunningJob):
        """The worker has its run, and has not told anybody yet."""

        def __init__(self, *arguments: Any) -> None:
            gate.hold()
            super().__init__(*arguments)

    monkeypatch.setattr(sprag.queue.work.pool, "RunningJob", Slow)

    def handler(queue: QueueService, item: object) -> None:
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            queue.check_cancelled()
            time.sleep(0.001)

    queue = make_queue(handler, worker_count=1).start()
    job = queue.enqueue(1)
    gate.wait_held()
    assert queue.cancel(job.id).status == "cancelling"
    # The keeper has seen that commit, and found no run to interrupt.
    engine = life_of(queue).open()
    wait_until(lambda: engine.keeper._version == engine.database.version())
    gate.open()
    assert finished(queue, job)[0].status == "cancelled"


def test_another_process_s_wish_to_cancel_reaches_the_handler(
    make_queue: MakeQueue, database: Path
) -> None:
    queue = make_queue()
    job = queue.enqueue(1)
    with child(PROGRAMS / "cancellable.py", database) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        assert queue.cancel(job.id).status == "cancelling"
        assert finished(queue, job)[0].status == "cancelled"
        process.communicate("\n", timeout=DEADLINE)
    assert audit(database) == []


# ---------------------------------------------------------------- group commit


def test_one_write_that_fails_does_not_hurt_those_beside_it(
    make_queue: MakeQueue, database: Path
) -> None:
    queue = make_queue()
    queue.counts()
    store = life_of(queue).open().store
    ids: list[str] = []
    refused: list[Exception] = []

    def good(n: int) -> None:
        ids.append(queue.enqueue(n).id)

    def bad() -> None:
        try:
            # A queue without a name is against the schema.
            store.enqueue(Options(queue=""), new_ids(1), ["1"])
        except DatabaseError as error:
            refused.append(error)

    with raw(database) as connection:
        # One waits for the lock; the others are posted meanwhile, and share a transaction.
        connection.execute("BEGIN IMMEDIATE")
        threads = [
            threading.Thread(target=bad if n == 7 else good, args=() if n == 7 else (n,))
            for n in range(16)
        ]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(store._commits._posted) >= 15)
        connection.execute("COMMIT")
    for thread in threads:
        thread.join(DEADLINE)
        assert not thread.is_alive()
    assert len(refused) == 1
    assert type(refused[0]) is DatabaseError
    assert sorted(job.id for job in queue.jobs(limit=50)) == sorted(ids)
    assert len(ids) == 15
    assert audit(database) == []


def test_a_full_queue_refuses_one_of_a_batch_and_takes_the_rest(make_queue: MakeQueue) -> None:
    queue = make_queue(max_queued=10)
    outcomes = Counter[str]()

    def enqueue() -> None:
        try:
            queue.enqueue(1)
            outcomes["accepted"] += 1
        except QueueError:
            outcomes["refused"] += 1

    run_threads([enqueue] * 16)
    assert outcomes == {"accepted": 10, "refused": 6}
    assert queue.counts()["queued"] == 10


class OutOfLuck(Exception):
    pass


class Counted(Ticket):
    """Knows how often it was written."""

    __slots__ = ("writes",)

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0


class Patient(Counted):
    """As a worker's."""

    __slots__ = ()
    patient = True


def test_nobody_sleeps_on_in_a_group_commit() -> None:
    noise = random.Random(1)

    def write(batch: list[Counted]) -> int:
        if noise.random() < 0.01:
            # The tickets are posted again, but for the one whose thread is here.
            raise OutOfLuck
        for ticket in batch:
            ticket.writes += 1
            ticket.done = True
        return sum(ticket.patient for ticket in batch)

    commits: GroupCommit[Counted] = GroupCommit(write)
    end = time.monotonic() + 1.5

    def submit(ticket: Counted) -> None:
        before = ticket.writes
        try:
            commits.submit(ticket)
        except OutOfLuck:
            assert ticket.writes == before
        else:
            assert ticket.writes == before + 1

    def impatient() -> None:
        while time.monotonic() < end:
            submit(Counted())

    def patient() -> None:
        ticket = Patient()
        while time.monotonic() < end:
            submit(ticket)

    with switching_often():
        run_threads([impatient] * 5 + [patient] * 5)
    assert not commits._lead_lock.locked()
    assert commits._posted == {}


def test_workers_and_callers_get_along_when_threads_switch_at_every_turn(
    make_queue: MakeQueue, database: Path
) -> None:
    queue = make_queue(worker_count=6, durability="normal").start()
    jobs: list[str] = []

    def feed() -> None:
        for n in range(60):
            jobs.append(queue.enqueue(n).id)
            queue.get(jobs[-1])

    with switching_often():
        run_threads([feed] * 6)
        finished(queue, *jobs)
    assert queue.counts()["completed"] == 360
    assert audit(database) == []


def test_a_writer_of_another_language_and_a_worker_share_the_file(
    make_queue: MakeQueue, database: Path
) -> None:
    queue = make_queue(worker_count=2).start()

    def foreign() -> None:
        with raw(database) as connection:
            for n in range(50):
                connection.execute("INSERT INTO job (queue, item) VALUES ('work', ?)", (str(n),))

    run_threads([foreign, lambda: finished(queue, *queue.enqueue_many(range(50)))])  # type: ignore[list-item]  # what it returns is of no interest
    wait_until(lambda: queue.counts()["completed"] == 100)
    assert sql(database, "SELECT count(*) FROM transition") == [(300,)]
    assert audit(database) == []


def test_a_call_without_stack_does_nothing_and_tears_nothing(make_queue: MakeQueue) -> None:
    queue = make_queue(durability="normal")
    first = queue.enqueue("first")
    accepted = []

    def call_at(depth: int) -> None:
        if depth:
            call_at(depth - 1)
        else:
            queue.cancel(first.id)

    refused = 0
    for depth in range(sys.getrecursionlimit() - 250, sys.getrecursionlimit()):
        try:
            call_at(depth)
        except RecursionError:
            refused += 1
        accepted.append(queue.enqueue(depth).id)
    assert refused > 40
    queue.start()
    assert {job.status for job in finished(queue, *accepted)} == {"completed"}


def test_a_job_that_was_taken_from_a_living_process_harms_none_of_its_workers(
    make_queue: MakeQueue,
) -> None:
    gates = [Gate(), Gate()]
    starts = iter(gates)
    queue = make_queue(lambda queue, item: next(starts).hold(), worker_count=2).start()
    job = queue.enqueue(1)
    gates[0].wait_held()
    engine = life_of(queue).engine
    assert engine is not None
    assert engine.owner is not None
    engine.store.owners.recover(engine.owner)  # as someone might by force
    queue.enqueue(2)
    gates[1].wait_held()
    gates[0].open()
    gates[1].open()
    assert finished(queue, job)[0].status == "completed"
    pool = life_of(queue).pool
    assert pool is not None
    assert all(thread.is_alive() for thread in pool._threads)


def test_a_lack_of_memory_ends_no_thread_of_a_queue(
    make_queue: MakeQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = Seen()
    lacking = {"sprag-work-0", "sprag-keeper", "sprag-subscriber"}

    def once(call: Callable[..., Any]) -> Callable[..., Any]:
        def lacks(*arguments: Any) -> Any:
            name = threading.current_thread().name
            if name in lacking:
                lacking.remove(name)
                raise MemoryError
            return call(*arguments)

        return lacks

    with make_queue(worker_count=1) as queue:
        queue.subscribe(seen)
        store = life_of(queue).open().store
        monkeypatch.setattr(store, "clock", once(store.clock))
        monkeypatch.setattr(store.journal, "news", once(store.journal.news))
        while lacking:
            # Another thread may write what the worker hands in.
            finished(queue, queue.enqueue(1))
        last = queue.enqueue("late", delay=0.01)
        assert finished(queue, last)[0].status == "completed"
        seen.wait_status(last.id, "completed")
