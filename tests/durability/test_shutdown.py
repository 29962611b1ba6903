"""The end of a process, in order or not: what ran is released, recovered or completed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import _oracle as oracle
from sprag.queue import ConfigurationError, QueueService, StopInsideHandler
from sprag.queue.roster import stop_together
from sprag.queue.service import life_of
from tests.conftest import MakeQueue
from tests.support import (
    DEADLINE,
    Gate,
    Seen,
    child,
    finished,
    program,
    queue_class,
    raw,
    said,
    sql,
    threads_left,
    until_interrupted,
    until_stopping,
    wait,
    wait_until,
)  # fmt: skip

PROGRAMS = Path(__file__).with_name("programs")


def audit(path: Path) -> list[str]:
    with raw(path) as connection:
        return oracle.audit(connection)


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def events(queue: QueueService, job_id: str) -> list[str]:
    return [move.event for move in queue.history(job_id)]


def run(database: Path, **options: Any) -> Any:
    """A process that runs the queue until a signal comes."""
    return child(PROGRAMS / "ends.py", database, json.dumps(options), "by_signal")


def ended(database: Path, way: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """A process that runs the queue and ends in this way."""
    return program(PROGRAMS / "ends.py", database, json.dumps(options), way)


# ---------------------------------------------------------------- signals and blocks


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, -signal.SIGINT)]
)
def test_a_signal_gives_running_jobs_their_grace(
    make_queue: MakeQueue, database: Path, number: signal.Signals, code: int
) -> None:
    queue = make_queue()
    jobs = queue.enqueue_many(["until the stop"] * 3)
    with run(database, worker_count=2, grace_seconds=DEADLINE) as process:
        assert sorted([line(process), line(process), line(process)]) == [
            "begun 1", "begun 1", "ready",
        ]  # fmt: skip
        process.send_signal(number)
        assert process.wait(DEADLINE) == code
    # Those that ran have ended; the third was not begun.
    assert [queue.get(job.id).status for job in jobs] == ["completed", "completed", "queued"]
    assert events(queue, jobs[2].id) == ["enqueue"]
    assert audit(database) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_outlasts_its_grace_is_released_without_costing_an_attempt(
    make_queue: MakeQueue, database: Path, number: signal.Signals
) -> None:
    queue = make_queue(max_attempts=1)
    job = queue.enqueue("looks")
    for _ in range(2):
        with run(database, grace_seconds=0.05) as process:
            # The same attempt both times.
            assert sorted([line(process), line(process)]) == ["begun 1", "ready"]
            process.send_signal(number)
            process.wait(DEADLINE)
    now = queue.get(job.id)
    assert (now.status, now.attempt, now.crashes) == ("queued", 0, 0)
    assert events(queue, job.id) == ["enqueue", "start", "release", "start", "release"]
    assert audit(database) == []


def test_a_handler_that_never_returns_is_named_and_does_not_keep_the_process(
    make_queue: MakeQueue, database: Path
) -> None:
    queue = make_queue()
    job = queue.enqueue("endless")
    done = ended(database, "left", grace_seconds=0.05)
    assert done.returncode == 0
    assert done.stdout.split() == ["begun", "1", "left"]
    assert "still running" in done.stderr
    assert job.id in done.stderr
    assert (queue.get(job.id).status, queue.get(job.id).attempt) == ("queued", 0)
    assert audit(database) == []


def test_an_error_in_the_block_ends_it_in_order(make_queue: MakeQueue, database: Path) -> None:
    queue = make_queue()
    job = queue.enqueue("looks")
    done = ended(database, "raising", grace_seconds=0.05)
    assert "ValueError: of the application" in done.stderr
    assert events(queue, job.id) == ["enqueue", "start", "release"]
    assert audit(database) == []


def test_a_program_that_ends_without_a_stop_still_leaves_in_order(
    make_queue: MakeQueue, database: Path
) -> None:
    queue = make_queue()
    job = queue.enqueue("looks")
    done = ended(database, "without_stop", grace_seconds=0.05)
    assert done.returncode == 3
    assert done.stderr == ""
    assert events(queue, job.id) == ["enqueue", "start", "release"]
    assert list(Path(f"{database}-sprag").glob("*.lock")) == []
    assert audit(database) == []


@pytest.mark.parametrize("kind", ["looks", "awaits"])
def test_a_second_ctrl_c_ends_the_grace_and_releases_what_runs(database: Path, kind: str) -> None:
    assert said(PROGRAMS / "stopped_twice.py", database, kind) == "enqueue start release"
    assert audit(database) == []


def test_a_ctrl_c_while_a_stop_waits_for_a_subscriber_leaves_no_file_open(database: Path) -> None:
    assert said(PROGRAMS / "interrupted_at_a_subscriber.py", database) == "interrupted"
    assert audit(database) == []


def test_several_threads_may_stop_a_queue_at_once(make_queue: MakeQueue, database: Path) -> None:
    gate = Gate()

    def handler(queue: QueueService, item: object) -> None:
        gate.hold()

    queue = make_queue(handler, worker_count=2, grace_seconds=DEADLINE).start()
    jobs = queue.enqueue_many([1, 2])
    gate.wait_held(2)
    errors: list[BaseException] = []

    def stop() -> None:
        try:
            queue.stop()
        except BaseException as error:  # noqa: BLE001  # the test looks at it
            errors.append(error)

    threads = [threading.Thread(target=stop, daemon=True) for _ in range(5)]
    for thread in threads:
        thread.start()
    until_stopping(queue)
    gate.open()
    for thread in threads:
        thread.join(DEADLINE)
        assert not thread.is_alive()
    assert errors == []
    assert [queue.get(job.id).status for job in jobs] == ["completed", "completed"]
    assert audit(database) == []


def test_a_stop_from_another_thread_ends_a_longer_grace(make_queue: MakeQueue) -> None:
    queue = make_queue(until_interrupted, grace_seconds=100 * DEADLINE).start()
    job = queue.enqueue(1)
    wait_until(lambda: queue.get(job.id).status == "running")
    patient = threading.Thread(target=queue.stop, daemon=True)
    patient.start()
    until_stopping(queue)
    queue.stop(0)
    patient.join(DEADLINE)
    assert not patient.is_alive()
    assert events(queue, job.id) == ["enqueue", "start", "release"]


def test_a_ctrl_c_ends_the_grace_of_all_that_are_stopped_together(database: Path) -> None:
    assert said(PROGRAMS / "stopped_together.py", database, "together") == "queued queued"
    assert audit(database) == []


def test_a_ctrl_c_at_the_exit_ends_the_grace_and_all_leave_in_order(database: Path) -> None:
    said(PROGRAMS / "stopped_together.py", database, "at exit")
    moves = sql(database, "SELECT event FROM transition ORDER BY seq")
    assert sorted(event for (event,) in moves) == sorted(["enqueue", "start", "release"] * 2)
    assert sql(database, "SELECT count(*) FROM owner") == [(0,)]
    assert audit(database) == []


def test_a_block_that_cannot_begin_leaves_the_queue_as_it_was(make_queue: MakeQueue) -> None:
    producer: QueueService = make_queue(QueueService, name="work")
    job = producer.enqueue(1)
    engine = life_of(producer).engine
    with pytest.raises(ConfigurationError), producer:
        pytest.fail("it was entered")
    assert life_of(producer).engine is engine
    assert producer.get(job.id).status == "queued"


def test_without_threads_to_stop_them_queues_are_stopped_one_by_one(
    make_queue: MakeQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = threading.Thread.start

    def refused(thread: threading.Thread) -> None:
        if thread.name == "sprag-stop":
            raise RuntimeError("can't start new thread")
        begin(thread)

    queues = [make_queue(until_interrupted, name=name).start() for name in ("one", "two")]
    monkeypatch.setattr(threading.Thread, "start", refused)
    stop_together(queues)
    assert threads_left() == []


def test_a_handler_that_stops_its_own_queue_is_told_at_once(make_queue: MakeQueue) -> None:
    def handler(queue: QueueService, item: object) -> str:
        with pytest.raises(StopInsideHandler):
            queue.stop()
        return "went on"

    async def in_a_loop(queue: QueueService, item: object) -> str:
        with pytest.raises(StopInsideHandler):
            queue.stop()
        return "went on"

    for kind in (handler, in_a_loop):
        queue = make_queue(queue_class(kind, kind.__name__), grace_seconds=DEADLINE).start()
        [job] = finished(queue, queue.enqueue(1))
        assert job.result == "went on"


def test_a_queue_stopped_while_another_of_its_file_goes_on_releases_what_it_ran(
    make_queue: MakeQueue, database: Path
) -> None:
    other = make_queue(queue_class(name="other")).start()
    begun = threading.Event()

    def handler(queue: QueueService, item: object) -> None:
        begun.set()
        until_interrupted(queue)

    queue = make_queue(handler, grace_seconds=0.0).start()
    job = queue.enqueue(1)
    wait(begun)
    queue.stop()
    assert events(queue, job.id) == ["enqueue", "start", "release"]
    assert finished(other, other.enqueue(1))[0].status == "completed"
    assert audit(database) == []


def test_a_run_that_outlasts_its_queue_ends_no_job_but_its_own(
    make_queue: MakeQueue, database: Path
) -> None:
    gates = {"old": Gate(), "new": Gate()}
    threads: dict[str, threading.Thread] = {}

    def handler(queue: QueueService, item: str) -> str:
        if queue.current_job.run.starts == 1 and item in gates:
            threads[item] = threading.current_thread()
            gates[item].hold()
        return item

    # It keeps the file open, and thereby the owner.
    make_queue(queue_class(name="other")).start()
    queue = make_queue(handler).start()
    waiting = queue.enqueue("waits", delay=3600)
    old = queue.enqueue("old")
    gates["old"].wait_held()
    queue.stop()
    queue = make_queue(handler).start()
    finished(queue, old)
    queue.cancel(waiting.id)
    queue.prune(keep=0)
    new = queue.enqueue("new")
    gates["new"].wait_held()
    gates["old"].open()
    threads["old"].join(DEADLINE)
    assert not threads["old"].is_alive()
    assert queue.get(new.id).status == "running"
    gates["new"].open()
    assert finished(queue, new)[0].result == "new"
    assert audit(database) == []


def test_a_job_that_was_taken_and_runs_twice_in_a_process_is_stopped_twice(
    make_queue: MakeQueue, database: Path
) -> None:
    begun, ended = Seen(), Seen()

    def handler(queue: QueueService, item: object) -> None:
        starts = queue.current_job.run.starts
        begun(starts)
        try:
            until_interrupted(queue)
        finally:
            ended(starts)

    queue = make_queue(handler, worker_count=2).start()
    queue.enqueue(1)
    begun.wait_for(lambda seen: seen == [1])
    # Somebody takes it for the job of a dead process.
    engine = life_of(queue).open()
    assert engine.owner is not None
    engine.store.owners.recover(engine.owner)
    engine.store.nudge(engine.crew.tickets)
    begun.wait_for(lambda seen: seen == [1, 2])
    queue.stop()
    ended.wait_for(lambda seen: sorted(seen) == [1, 2])


# ---------------------------------------------------------------- death


def test_a_sibling_takes_over_what_a_killed_process_ran(
    make_queue: MakeQueue, database: Path
) -> None:
    queue = make_queue(lambda queue, item: os.getpid())
    job = queue.enqueue("endless")
    with run(database) as process:
        assert sorted([line(process), line(process)]) == ["begun 1", "ready"]
        queue.start()
        process.kill()
        process.wait()
        [end] = finished(queue, job)
    assert (end.status, end.result, end.crashes) == ("completed", os.getpid(), 1)
    assert events(queue, job.id) == ["enqueue", "start", "recover", "start", "complete"]
    assert audit(database) == []


def test_the_next_start_takes_over_what_a_killed_process_ran(
    make_queue: MakeQueue, database: Path
) -> None:
    queue = make_queue()
    job = queue.enqueue("endless")
    with run(database) as process:
        assert sorted([line(process), line(process)]) == ["begun 1", "ready"]
        process.kill()
        process.wait()
    assert queue.get(job.id).status == "running"
    queue.start()
    assert finished(queue, job)[0].status == "completed"
    assert events(queue, job.id) == ["enqueue", "start", "recover", "start", "complete"]


def test_a_stopped_process_is_not_taken_for_a_dead_one(
    make_queue: MakeQueue, database: Path
) -> None:
    queue = make_queue()
    job = queue.enqueue("short")
    with run(database) as process:
        assert sorted([line(process), line(process)]) == ["begun 1", "ready"]
        with raw(database) as connection:
            # Stopped in the midst of a write, it would keep everybody from writing.
            connection.execute("BEGIN IMMEDIATE")
            process.send_signal(signal.SIGSTOP)
            os.waitpid(process.pid, os.WUNTRACED)  # until it has stopped
            connection.execute("ROLLBACK")
        queue.start()  # it looks for the dead, at once and then again and again
        other = [queue.enqueue(n) for n in range(20)]
        finished(queue, *other)
        held = queue.get(job.id).status
        process.send_signal(signal.SIGCONT)
        [end] = finished(queue, job)
        assert held == "running"
        assert (end.result, end.crashes) == (process.pid, 0)
    assert events(queue, job.id) == ["enqueue", "start", "complete"]


def test_a_job_that_kills_its_process_ends_as_failed_and_says_why(
    make_queue: MakeQueue, database: Path
) -> None:
    queue = make_queue(max_crashes=3)
    job = queue.enqueue("poison")
    for _ in range(3):
        assert ended(database, "by_signal").returncode == -signal.SIGKILL
    queue.start()
    [end] = finished(queue, job)
    assert (end.status, end.crashes) == ("failed", 3)
    assert end.error is not None
    assert (end.error.type, end.error.message) == (
        "ProcessDied", "the process running this job died 3 times; max_crashes is 3",
    )  # fmt: skip
    assert events(queue, job.id) == [
        "enqueue", "start", "recover", "start", "recover", "start", "lose",
    ]  # fmt: skip
    assert audit(database) == []


def test_a_job_asked_to_cancel_before_the_crash_is_cancelled_after_it(
    make_queue: MakeQueue, database: Path
) -> None:
    queue = make_queue()
    job = queue.enqueue("endless")
    with run(database) as process:
        assert sorted([line(process), line(process)]) == ["begun 1", "ready"]
        assert queue.cancel(job.id).status == "cancelling"
        process.kill()
        process.wait()
    queue.start()
    assert finished(queue, job)[0].status == "cancelled"
    assert events(queue, job.id) == ["enqueue", "start", "cancel", "confirm"]
    assert audit(database) == []


def test_programs_that_a_handler_started_do_not_keep_a_dead_process_s_lock(
    make_queue: MakeQueue, database: Path
) -> None:
    queue = make_queue()
    job = queue.enqueue("subprocess")
    with run(database) as process:
        said = sorted(line(process) for _ in range(3))
        assert said[0] == "begun 1"
        grandchild = int(said[1].split()[1])
        try:
            process.kill()
            process.wait()
            os.kill(grandchild, 0)  # it lives on
            queue.start()
            assert finished(queue, job)[0].crashes == 1
        finally:
            os.kill(grandchild, signal.SIGKILL)


def test_an_outcome_acknowledged_by_wait_survives_a_kill_at_once(
    make_queue: MakeQueue, database: Path
) -> None:
    ids = []
    for _ in range(5):
        done = ended(database, "after_an_outcome")
        assert done.returncode == -signal.SIGKILL
        ids.append(done.stdout.split()[-1])
    queue = make_queue()
    assert [queue.get(id_).status for id_ in ids] == ["completed"] * 5
    assert audit(database) == []


def test_the_grace_is_no_longer_than_the_jobs_need(make_queue: MakeQueue) -> None:
    queue = make_queue(grace_seconds=DEADLINE).start()
    finished(queue, queue.enqueue(1))
    begin = time.monotonic()
    queue.stop()
    assert time.monotonic() - begin < DEADLINE / 2


def test_a_grace_may_be_longer_than_the_system_can_wait(make_queue: MakeQueue) -> None:
    queue = make_queue(grace_seconds=9e10).start()
    job = queue.enqueue(1)
    queue.stop()
    assert queue.get(job.id).status in ("queued", "completed")


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_a_stop_without_grace_right_after_an_enqueue_releases_or_completes(
    make_queue: MakeQueue, database: Path, kind: str
) -> None:
    begun: list[int] = []

    def plain(_queue: QueueService, item: int) -> None:
        begun.append(item)

    async def coroutine(_queue: QueueService, item: int) -> None:
        begun.append(item)

    # Another queue keeps the file open, so nothing is given back by closing it.
    other = make_queue(queue_class(name="other"), durability="normal").start()
    jobs = []
    for n in range(40):
        queue = make_queue(
            plain if kind == "plain" else coroutine, worker_count=2, durability="normal"
        ).start()
        jobs.append(queue.enqueue(n).id)
        queue.stop(0)
        status = sql(database, "SELECT status FROM job WHERE id = ?", (jobs[-1],))
        assert status in ([("queued",)], [("completed",)])
    last = make_queue(plain, durability="normal").start()
    assert {job.status for job in finished(last, *jobs)} == {"completed"}
    assert sorted(begun) == list(range(40))
    other.stop()
    assert audit(database) == []


def test_no_handler_begins_unasked_while_its_queue_stops(make_queue: MakeQueue) -> None:
    begun, ended = [], []

    def handler(queue: QueueService, item: int) -> None:
        begun.append(item)
        try:
            until_interrupted(queue)
        finally:
            ended.append(item)

    for n in range(20):
        queue = make_queue(handler, worker_count=2, durability="normal").start()
        queue.enqueue(n)
        queue.stop(0)
    # One that had begun after the flags were set would look for ever.
    wait_until(lambda: len(begun) == len(ended))
