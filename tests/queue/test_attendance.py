"""Jobs that wait although no process runs their queue are spoken of, and no others."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from sprag.queue import QueueService, WaitTimeout
from sprag.queue.service import life_of
from sprag.queue.work.attendance import MOST, is_unattended, unattended, words
from tests.conftest import MakeQueue
from tests.support import DEADLINE, Gate, finished, queue_class, unmeasured, wait_until

PROGRAM = Path(__file__).with_name("programs") / "enqueues.py"


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [
        (record.levelname, record.getMessage())
        for record in caplog.records
        if "no process runs this queue" in record.getMessage()
    ]


@pytest.fixture(autouse=True)
def _log_all(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "sprag.queue")


def enqueues(database: Path, *arguments: str) -> str:
    """What the program says on standard error."""
    done = subprocess.run(
        [sys.executable, PROGRAM, database, *arguments], env=unmeasured(), capture_output=True,
        text=True, check=True, timeout=DEADLINE,
    )  # fmt: skip
    return done.stderr


# ---------------------------------------------------------------- in the log


@pytest.mark.parametrize("end", ["stops", "exits"])
def test_a_program_that_forgets_to_start_its_queue_is_told_once(database: Path, end: str) -> None:
    said = enqueues(database, end)
    assert said.count("\n") == 1
    assert said.startswith(
        f"queue 'mail' of {database}: 3 jobs wait and no process runs this queue. Call start(), or "
    )


def test_a_program_says_nothing_if_another_process_runs_the_queue(
    make_queue: MakeQueue, database: Path
) -> None:
    gate = Gate()
    queue = make_queue(lambda self, item: gate.hold(), name="mail", worker_count=1).start()
    wait_until(lambda: not unattended_here(queue) and workers_told(queue))
    assert enqueues(database, "exits") == ""
    gate.open()
    wait_until(lambda: queue.counts()["completed"] == 3)


def unattended_here(queue: QueueService) -> dict[str, int]:
    engine = life_of(queue).open()
    return unattended(engine.store, engine.folder)


def workers_told(queue: QueueService) -> bool:
    return any("mail" in owner.workers for owner in life_of(queue).open().store.owners.all())


def test_a_stop_tells_of_jobs_that_it_leaves_to_nobody(
    make_queue: MakeQueue, caplog: pytest.LogCaptureFixture
) -> None:
    queue = make_queue()
    queue.enqueue(1)
    queue.stop()
    [(level, message)] = told(caplog)
    assert level == "WARNING"
    assert "1 job waits and no process runs this queue" in message
    # Once a queue, by whichever object.
    for again in (queue, make_queue()):
        again.enqueue(2)
        again.stop()
    assert len(told(caplog)) == 1


def test_a_queue_without_a_handler_leaves_that_to_others(
    make_queue: MakeQueue, caplog: pytest.LogCaptureFixture
) -> None:
    client = make_queue(QueueService, name="mail")
    client.enqueue(1)
    client.stop()
    assert [level for level, _ in told(caplog)] == ["INFO"]


def test_nothing_is_said_of_a_queue_that_this_process_has_run(
    make_queue: MakeQueue, caplog: pytest.LogCaptureFixture
) -> None:
    with make_queue() as queue:
        finished(queue, queue.enqueue(1))
        queue.enqueue(2, delay="1h")
    client = make_queue()
    client.enqueue(3)
    client.stop()
    assert told(caplog) == []


def test_nothing_is_said_if_no_job_waits(
    make_queue: MakeQueue, caplog: pytest.LogCaptureFixture
) -> None:
    queue = make_queue()
    queue.cancel(queue.enqueue(1).id)
    queue.stop()
    looks = make_queue()
    looks.enqueue(1)
    looks.cancel(looks.jobs("queued").jobs[0].id)
    make_queue(name="other").jobs()
    assert told(caplog) == []


def test_a_process_that_goes_on_is_told_at_a_later_enqueue(
    make_queue: MakeQueue, caplog: pytest.LogCaptureFixture
) -> None:
    queue = make_queue()
    queue.enqueue(1)
    queue.enqueue(2)
    assert told(caplog) == []
    life = life_of(queue)
    assert life.offers.look_at > queue.enqueue(3).created_at + 5
    life.offers.look_at = 0.0  # as if that time had come
    queue.enqueue(4)
    assert "4 jobs wait" in told(caplog)[0][1]
    queue.enqueue(5)
    queue.stop()
    assert len(told(caplog)) == 1


# ---------------------------------------------------------------- to those who wait


def test_a_wait_that_times_out_says_that_no_process_runs_the_queue(make_queue: MakeQueue) -> None:
    queue = make_queue()
    job = queue.enqueue(1)
    for awaits in (False, True):
        with pytest.raises(WaitTimeout) as timeout:
            asyncio.run(queue.await_job(job.id, "10ms")) if awaits else queue.wait(job.id, 0.01)
        message = str(timeout.value)
        assert message.startswith(f"job {job.id!r} is still queued after 0.01 s: no process runs ")
        assert "queue 'work'. Call start() on a queue object that has a handler" in message
        assert (timeout.value.status, timeout.value.unattended) == ("queued", "work")


def test_a_wait_for_a_queue_that_is_run_says_nothing_of_that(make_queue: MakeQueue) -> None:
    gate = Gate()
    queue = make_queue(lambda self, item: gate.hold(), worker_count=1).start()
    client = make_queue(QueueService, name="work")
    jobs = client.enqueue_many([1, 2])
    gate.wait_held()
    for job, status in zip(jobs, ("running", "queued"), strict=True):
        with pytest.raises(WaitTimeout) as timeout:
            client.wait(job.id, 0.01)
        assert str(timeout.value) == f"job {job.id!r} is still {status} after 0.01 s"
        assert timeout.value.unattended is None
    gate.open()
    finished(queue, *jobs)


# ---------------------------------------------------------------- to those who ask


def test_the_queues_that_nobody_runs_are_counted(make_queue: MakeQueue) -> None:
    idle, runs = make_queue(name="idle"), make_queue(name="runs").start()
    idle.enqueue_many(range(3))
    runs.enqueue(1, delay="1h")
    make_queue(name="empty").cancel(make_queue(name="empty").enqueue(1).id)
    engine = life_of(idle).open()
    assert is_unattended(engine, "idle")
    assert not is_unattended(engine, "runs")
    wait_until(lambda: unattended(engine.store, engine.folder) == {"idle": 3})
    assert unattended(engine.store, engine.folder, ["runs"]) == {}
    runs.stop()
    asked = ["runs", "empty"]
    wait_until(lambda: unattended(engine.store, engine.folder, asked) == {"runs": 1})


def test_a_great_many_are_not_counted_to_the_end(database: Path) -> None:
    queue = queue_class(name="many")(database=database, durability="normal")
    queue.enqueue_many([0] * (MOST + 5))
    engine = life_of(queue).open()
    assert unattended(engine.store, engine.folder) == {"many": MOST + 1}
    assert words(MOST + 1) == "more than 1,000 jobs wait and no process runs this queue"
    queue.stop()
