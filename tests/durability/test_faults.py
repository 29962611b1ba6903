"""A disk that fails for a while: errors are told by type, and the queue goes on by itself.

Also that `vfs` and `open_flags` reach SQLite, which the faults need, and later crash tests.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import apsw
import pytest

import _oracle as oracle
from _faults.disk import FaultyDisk, FaultyFile
from _faults.trigger import Trigger
from _faults.workload import open_files
from sprag.queue import (
    DatabaseError,
    DatabaseFull,
    DatabaseLocked,
    JobNotFound,
    QueueError,
    QueueService,
    ReadFailed,
    WriteUnknown,
    new_job_id,
)  # fmt: skip
from sprag.queue.service import life_of
from tests.conftest import MakeQueue
from tests.support import DEADLINE, Gate, Seen, child, finished, raw, said, sql, wait_until

PROGRAMS = Path(__file__).with_name("programs")


@pytest.fixture
def disk() -> Iterator[FaultyDisk]:
    made = FaultyDisk("sprag-faulty")
    yield made
    made.trigger.lift()
    made.unregister()


def audit(path: Path) -> list[str]:
    with raw(path) as connection:
        return oracle.audit(connection)


def test_all_io_goes_through_the_vfs_that_is_named(make_queue: MakeQueue, disk: FaultyDisk) -> None:
    queue = make_queue(vfs=disk.vfs).start()
    before = Counter(disk.trigger.kinds)
    finished(queue, *[queue.enqueue(n) for n in range(10)])
    calls = Counter(disk.trigger.kinds)
    assert calls["wal write"] > before["wal write"] + 10
    assert calls["wal sync"] > before["wal sync"] + 10  # durability is "full"
    queue.stop()
    assert Counter(disk.trigger.kinds)["db write"] > 0


def test_open_flags_reach_the_vfs(make_queue: MakeQueue, disk: FaultyDisk) -> None:
    make_queue(vfs=disk.vfs, open_flags=apsw.SQLITE_OPEN_NOFOLLOW).counts()
    databases = [flags for flags in disk.flags if flags & apsw.SQLITE_OPEN_MAIN_DB]
    assert databases
    assert all(flags & apsw.SQLITE_OPEN_NOFOLLOW for flags in databases)


FAULTS = [
    ("full", "wal write", DatabaseFull),
    ("error", "wal write", WriteUnknown),
    ("error", "wal sync", WriteUnknown),
]
IDS = ["full", "write", "sync"]


@pytest.mark.parametrize(("flavour", "at", "error"), FAULTS, ids=IDS)
def test_an_enqueue_that_fails_says_how_and_can_be_repeated(
    make_queue: MakeQueue,
    database: Path,
    disk: FaultyDisk,
    flavour: str,
    at: str,
    error: type[DatabaseError],
) -> None:
    queue = make_queue(vfs=disk.vfs)
    before = queue.enqueue("before")
    disk.flavour = flavour
    disk.trigger.hold([at])
    id_ = new_job_id()
    with pytest.raises(error) as caught:
        queue.enqueue("during", job_id=id_)
    if isinstance(caught.value, WriteUnknown):
        assert caught.value.job_ids == (id_,)
    else:
        with pytest.raises(JobNotFound):
            queue.get(id_)
    assert queue.get(before.id).status == "queued"  # reading goes on
    disk.trigger.lift()
    assert queue.enqueue("during", job_id=id_).id == id_
    assert queue.counts()["queued"] == 2
    queue.stop()
    assert audit(database) == []


@pytest.mark.parametrize(("flavour", "at", "error"), FAULTS, ids=IDS)
def test_workers_outlive_a_fault_and_no_acknowledged_job_is_lost(
    make_queue: MakeQueue,
    database: Path,
    disk: FaultyDisk,
    flavour: str,
    at: str,
    error: type[DatabaseError],
) -> None:
    runs = Counter[int]()
    inside, go = threading.Semaphore(0), threading.Event()

    def handler(queue: QueueService, item: int) -> int:
        runs[item] += 1
        if item < 2:
            inside.release()
            go.wait()
        return item

    queue = make_queue(handler, vfs=disk.vfs, worker_count=2).start()
    jobs = {n: queue.enqueue(n) for n in range(20)}
    assert inside.acquire(timeout=60)
    assert inside.acquire(timeout=60)
    # Both workers are inside; from now on their outcomes cannot be stored.
    disk.flavour = flavour
    disk.trigger.hold([at])
    go.set()
    refused = 0
    for n in range(20, 24):
        try:
            jobs[n] = queue.enqueue(n)
        except error:
            refused += 1
        except QueueError as other:
            pytest.fail(f"expected {error.__name__}, got {other!r}")
    assert refused == 4
    assert disk.trigger.met.wait(60)
    disk.trigger.lift()
    # Nobody is told: workers come back by themselves.
    ends = finished(queue, *jobs.values())
    assert [end.result for end in ends] == list(jobs)
    # Also the claims whose commit was reported as failed.
    assert {runs[n] for n in range(2)} == {1}
    wait_until(lambda: queue.counts()["running"] == 0)
    # The worker that was last to hear of the full disk may have given up the space just now.
    wait_until(lambda: not life_of(queue).open().space.in_use)
    job = queue.enqueue(99)
    assert finished(queue, job)[0].result == 99
    queue.stop()
    assert audit(database) == []


def test_faults_that_come_and_go_while_work_goes_on_lose_nothing(
    make_queue: MakeQueue, database: Path, disk: FaultyDisk
) -> None:
    queue = make_queue(vfs=disk.vfs, worker_count=3, durability="normal").start()
    accepted: dict[str, int] = {}
    doubtful: dict[str, int] = {}
    kinds = [
        ("error", {"wal write"}),
        ("full", {"wal write"}),
        ("error", {"db write", "db sync"}),
        ("error", {"wal read", "db read"}),
    ]
    for n in range(160):
        if n % 20 == 10:
            disk.flavour, held = kinds[n // 20 % 4]
            disk.trigger.hold(held)
        elif n % 20 == 15:
            disk.trigger.lift()
        try:
            accepted[queue.enqueue(n).id] = n
        except WriteUnknown as error:
            doubtful[error.job_ids[0]] = n
        except DatabaseError:
            pass
    disk.trigger.lift()
    for job in finished(queue, *accepted):
        assert (job.status, job.result) == ("completed", accepted[job.id])
    wait_until(lambda: queue.counts()["queued"] + queue.counts()["running"] == 0)
    assert queue.counts()["failed"] == 0
    # What was reported as unknown is there as a whole, or not at all.
    for id_ in doubtful:
        with suppress(JobNotFound):
            assert queue.get(id_).status == "completed"
    # Time goes on as well, once the room that was set aside has been got back.
    wait_until(lambda: not life_of(queue).open().space.in_use)
    assert finished(queue, queue.enqueue(1, delay=0.05))[0].status == "completed"
    queue.stop()
    assert audit(database) == []


def test_waiting_and_subscribing_go_on_after_reads_have_failed(
    make_queue: MakeQueue, disk: FaultyDisk, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[int] = []
    queue = make_queue(vfs=disk.vfs, worker_count=1).start()
    first = queue.enqueue(1)
    finished(queue, first)
    queue.subscribe(lambda signal: seen.append(signal["seq"]), after=0)
    wait_until(lambda: seen == [1, 2, 3])
    disk.trigger.hold({"wal read", "db read"})
    for _ in range(5):
        try:
            queue.jobs()
        except DatabaseError:
            break
    disk.trigger.lift()
    finished(queue, queue.enqueue(2), queue.enqueue(3, delay=0.01))
    wait_until(lambda: len(seen) == 9)
    assert seen == list(range(1, 10))


# ---------------------------------------------------------------- found by the faults of every call


class LateFile(FaultyFile):
    """Fails in the last call of a commit, when that has taken place."""

    def xFileControl(self, op: int, ptr: int) -> bool:  # noqa: N802  # SQLite's name
        done = super().xFileControl(op, ptr)
        if op == apsw.SQLITE_FCNTL_COMMIT_PHASETWO and self.disk.trigger.fires("late commit"):
            raise apsw.IOError("planted after the commit")
        return done


class LateDisk(FaultyDisk):
    """With files whose commits say that they failed, while the trigger holds "late commit"."""

    @property
    def file(self) -> type[FaultyFile]:
        return LateFile


@pytest.fixture
def late() -> Iterator[LateDisk]:
    made = LateDisk("sprag-late")
    yield made
    made.trigger.lift()
    made.unregister()


def test_a_job_that_was_started_by_a_commit_that_said_it_failed_is_run(
    make_queue: MakeQueue, database: Path, late: LateDisk
) -> None:
    queue = make_queue(vfs=late.vfs, worker_count=1).start()
    finished(queue, queue.enqueue("before"))
    ticket = life_of(queue).open().crew.tickets[0]
    id_ = None
    while id_ is None:
        wait_until(lambda: ticket.parked)
        late.trigger = Trigger()
        # In the commit of the enqueue, which is its caller's, with the start, which is a worker's;
        # unless the keeper comes before.
        late.trigger.arm(0, "late commit", "once")
        try:
            queue.enqueue("before", job_id=new_job_id())
        except WriteUnknown as error:
            [id_] = error.job_ids
    [job] = finished(queue, id_)
    assert job.result == "before"
    assert [move.event for move in queue.history(id_)] == [
        "enqueue", "start", "release", "start", "complete",
    ]  # fmt: skip
    queue.stop()
    assert audit(database) == []


def test_an_owner_whose_commit_said_that_it_failed_is_not_left_behind(
    make_queue: MakeQueue, database: Path, late: LateDisk
) -> None:
    queue = make_queue(vfs=late.vfs)
    queue.counts()
    late.trigger.arm(0, "late commit", "once")
    with pytest.raises(WriteUnknown):
        queue.start()
    queue.start()
    assert len(life_of(queue).open().store.owners.all()) == 1
    queue.stop()
    assert sql(database, "SELECT count(*) FROM owner") == [(0,)]
    assert list(Path(f"{database}-sprag").glob("*.lock")) == []


def test_a_stop_ends_all_connections_though_one_of_them_fails(
    make_queue: MakeQueue, database: Path, disk: FaultyDisk
) -> None:
    queue = make_queue(vfs=disk.vfs).start()
    finished(queue, queue.enqueue(1))
    queue.jobs()
    assert not open_files() or any(str(database) in path for path in open_files())
    disk.trigger.hold({"db control"})
    queue.stop()
    assert disk.trigger.failed
    assert not [path for path in open_files() if str(database) in path]
    disk.trigger.lift()
    assert queue.counts()["completed"] == 1


def test_reads_that_fail_leave_no_connections_behind(
    make_queue: MakeQueue, database: Path, disk: FaultyDisk
) -> None:
    queue = make_queue(vfs=disk.vfs)
    job = queue.enqueue(1)
    before = open_files()[str(database)]
    failed = 0
    for at in range(1000):
        disk.trigger = Trigger()
        disk.trigger.arm(at, "db control", "once")
        try:
            assert queue.get(job.id) == job
        except ReadFailed:
            failed += 1
        else:
            break
    assert failed > 5
    assert open_files()[str(database)] <= before + 1
    disk.trigger.lift()
    assert queue.get(job.id) == job


def test_a_disk_that_fails_in_a_snapshot_is_named_as_the_cause(
    make_queue: MakeQueue, disk: FaultyDisk
) -> None:
    queue = make_queue(vfs=disk.vfs)
    queue.enqueue_many(range(100))
    queue.counts()
    # What the connection has in its memory is out of date.
    queue.enqueue_many(range(100))
    disk.trigger.hold({"db read", "wal read"})
    with pytest.raises(ReadFailed, match="the disk failed when asked for") as caught:
        queue.counts()
    assert "unknown" not in str(caught.value)
    disk.trigger.lift()
    assert queue.counts()["queued"] == 200


ELSEWHERE = [(apsw.ProtocolError, DatabaseLocked), (apsw.NoMemError, WriteUnknown)]


@pytest.mark.parametrize(("fault", "error"), ELSEWHERE, ids=["protocol", "memory"])
def test_a_lock_or_memory_that_cannot_be_had_just_now_fails_no_job(
    make_queue: MakeQueue,
    disk: FaultyDisk,
    fault: type[apsw.Error],
    error: type[DatabaseError],
    caplog: pytest.LogCaptureFixture,
) -> None:
    gate = Gate()

    def handler(queue: QueueService, item: int) -> str:
        gate.hold()
        return "done"

    queue = make_queue(handler, vfs=disk.vfs, worker_count=1).start()
    job = queue.enqueue(1)
    gate.wait_held()
    disk.errors["write"] = fault
    disk.trigger.hold({"wal write"})
    gate.open()
    wait_until(lambda: "goes on trying" in caplog.text)
    with pytest.raises(error):
        queue.enqueue(2)
    disk.trigger.lift()
    [end] = finished(queue, job)
    assert (end.status, end.result) == ("completed", "done")


def test_a_job_whose_id_cannot_be_looked_up_is_not_stored(
    make_queue: MakeQueue, disk: FaultyDisk
) -> None:
    queue = make_queue(vfs=disk.vfs)
    queue.enqueue("before")
    queue.stop()
    queue.counts()
    id_ = new_job_id()
    disk.errors["read"] = apsw.BusyError
    disk.trigger.hold({"db read", "wal read"})
    with pytest.raises(DatabaseLocked, match="nothing was stored"):
        queue.enqueue("during", job_id=id_)
    disk.trigger.lift()
    with pytest.raises(JobNotFound):
        queue.get(id_)
    assert queue.enqueue("during", job_id=id_).id == id_


# ---------------------------------------------------------------- real ones


def test_a_write_lock_of_another_process_that_is_let_go_at_last_costs_nothing(
    make_queue: MakeQueue, database: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate()

    def handler(queue: QueueService, item: int) -> int:
        if item < 2:
            gate.hold()
        return item

    queue = make_queue(handler, worker_count=2, busy_seconds=0.05).start()
    jobs = queue.enqueue_many(range(4))
    waiting = queue.enqueue(4, delay=0.05)
    seen = Seen()
    queue.subscribe(seen, after=0)
    gate.wait_held(2)
    with child(PROGRAMS / "locks.py", database) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        gate.open()
        for ask in (
            lambda: queue.enqueue(5),
            lambda: queue.enqueue(5, job_id=new_job_id()),
            lambda: queue.cancel(jobs[3].id),
            lambda: queue.prune(keep=0),
        ):
            with pytest.raises(DatabaseLocked, match=r"did not let go within 0\.05 s"):
                ask()
        wait_until(lambda: "goes on trying" in caplog.text)
        assert queue.counts()["running"] == 2  # reads go on
        other.communicate("\n", timeout=DEADLINE)
    ends = finished(queue, *jobs, waiting)
    assert [end.result for end in ends] == [0, 1, 2, 3, 4]
    seen.wait_for(lambda all_: [s["event"] for s in all_].count("complete") == 5)
    assert sum(queue.counts().values()) == 5
    queue.stop()
    assert audit(database) == []


def test_a_file_that_may_grow_no_further_is_told_of_and_the_queue_goes_on(database: Path) -> None:
    assert said(PROGRAMS / "no_larger_files.py", database) == "WriteUnknown"
    assert audit(database) == []
