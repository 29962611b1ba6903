"""`on_failure`: called for jobs that have failed for good, once that is stored."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from sprag.queue import (
    ConfigurationError,
    Job,
    JobError,
    NoRunningJob,
    QueueService,
    StopInsideHandler,
    WriteUnknown,
)
from sprag.queue.service import life_of
from sprag.queue.store.tickets import Outcome
from sprag.queue.work import failures, keeper
from tests.conftest import MakeQueue
from tests.support import DEADLINE, PATIENCE, Gate, Seen, finished, sql, wait_until

PROGRAMS = Path(__file__).with_name("programs")


class Failing(QueueService):
    """Fails what it gets, and tells of it."""

    name = "work"
    backoff = 0
    told: Seen

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.told = Seen()

    def handle_item(self, item: Any) -> Any:
        if item != "good":
            raise ValueError(item)

    def on_failure(self, job: Job, error: JobError) -> Any:
        self.told((job, error, self.get(job.id)))


def test_it_gets_the_job_as_it_is_stored_and_its_error(make_queue: MakeQueue) -> None:
    with make_queue(Failing, max_attempts=2) as queue:
        assert isinstance(queue, Failing)
        finished(queue, queue.enqueue("good"))
        [failed] = finished(queue, queue.enqueue("bad", label="told"))
        [(job, error, seen)] = queue.told.wait_for(lambda all_: all_)
        assert job == seen == failed
        assert (job.status, job.attempt, job.item, job.label) == ("failed", 2, "bad", "told")
        assert (error, error.type, error.message) == (job.error, "ValueError", "bad")


def test_it_is_called_once_for_each_failure(make_queue: MakeQueue) -> None:
    with make_queue(Failing, max_attempts=2) as queue:
        assert isinstance(queue, Failing)
        jobs = finished(queue, *queue.enqueue_many(range(20)))
        queue.requeue(jobs[0].id)
        queue.told.wait_for(lambda all_: len(all_) == 21)
        queue.stop(DEADLINE)
        told = [job.item for job, _, _ in queue.told.all]
    assert sorted(told) == [0, *range(20)]


def test_it_may_be_async(make_queue: MakeQueue) -> None:
    class Awaiting(Failing):
        async def on_failure(self, job: Job, error: JobError) -> None:
            await asyncio.sleep(0)
            self.told((await self.aget(job.id)).status)

    with make_queue(Awaiting) as queue:
        assert isinstance(queue, Failing)
        queue.enqueue("bad")
        assert queue.told.wait_for(lambda all_: all_) == ["failed"]


def test_it_may_enqueue_also_where_there_is_one_worker(make_queue: MakeQueue) -> None:
    class Again(Failing):
        def on_failure(self, job: Job, error: JobError) -> None:
            self.told(self.enqueue("good").id)

    with make_queue(Again, worker_count=1) as queue:
        assert isinstance(queue, Failing)
        queue.enqueue("bad")
        [next_one] = queue.told.wait_for(lambda all_: all_)
        assert finished(queue, next_one)[0].status == "completed"


def test_what_it_raises_is_logged_and_the_worker_goes_on(
    make_queue: MakeQueue, caplog: pytest.LogCaptureFixture
) -> None:
    class Raising(Failing):
        def on_failure(self, job: Job, error: JobError) -> None:
            raise SystemExit("told") if job.item == "exit" else KeyError("told")

    with (
        caplog.at_level(logging.ERROR, "sprag.queue"),
        make_queue(Raising, worker_count=1) as queue,
    ):
        jobs = finished(queue, *queue.enqueue_many(["exit", "bad", "good"]))
    assert [job.status for job in jobs] == ["failed", "failed", "completed"]
    for job, kind in zip(jobs, ("SystemExit", "KeyError"), strict=False):
        assert f"on_failure of queue 'work' raised {kind} for job {job.id}" in caplog.text


def test_no_job_runs_while_it_is_called(make_queue: MakeQueue) -> None:
    class Looking(Failing):
        def on_failure(self, job: Job, error: JobError) -> None:
            try:
                self.report_progress(1, 2)
            except NoRunningJob as told:
                self.told(told)

    with make_queue(Looking) as queue:
        assert isinstance(queue, Failing)
        queue.enqueue("bad")
        queue.told.wait_for(lambda all_: all_)


def test_it_is_called_for_an_item_that_cannot_be_read(
    make_queue: MakeQueue, database: Path
) -> None:
    with make_queue(Failing) as queue:
        assert isinstance(queue, Failing)
        sql(database, """INSERT INTO job (queue, item) VALUES ('work', '{"$no": 1}')""")
        [(job, error, _)] = queue.told.wait_for(lambda all_: all_)
        assert (job.item_json, error.type) == ('{"$no": 1}', "PayloadError")


def test_it_is_not_called_for_a_job_that_cannot_be_read(
    make_queue: MakeQueue, database: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with make_queue(Failing, worker_count=1) as queue:
        assert isinstance(queue, Failing)
        sql(
            database,
            "INSERT INTO job (queue, item, label) VALUES ('work', '1', CAST(x'ff' AS TEXT))",
        )
        finished(queue, queue.enqueue("good"))
        assert queue.told.all == []
    assert "on_failure is not called for job" in caplog.text


def test_it_is_called_for_a_retry_that_a_cancellation_made_a_failure(
    make_queue: MakeQueue,
) -> None:
    class Cancelling(Failing):
        def handle_item(self, item: Any) -> None:
            self.cancel(self.current_job.id)
            raise ValueError

    with make_queue(Cancelling, max_attempts=3) as queue:
        assert isinstance(queue, Failing)
        queue.enqueue("bad")
        [(job, _, _)] = queue.told.wait_for(lambda all_: all_)
        assert (job.status, job.attempt) == ("failed", 1)


def test_it_is_called_by_the_process_that_recovers_a_job_that_fails_so(
    make_queue: MakeQueue, database: Path
) -> None:
    code = subprocess.run(
        [sys.executable, PROGRAMS / "dies_with_a_job.py", database], timeout=PATIENCE, check=False
    ).returncode
    assert code == 9
    sql(database, "UPDATE job SET max_crashes = 1")
    with make_queue(Failing, name="other") as queue:
        assert isinstance(queue, Failing)
        [(job, error, _)] = queue.told.wait_for(lambda all_: all_)
        assert (job.status, error.type) == ("failed", "ProcessDied")
        assert [move.event for move in queue.history(job.id)] == ["enqueue", "start", "lose"]


def test_it_is_called_for_a_failure_whose_commit_was_reported_as_failed(
    make_queue: MakeQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    with make_queue(Failing) as queue:
        assert isinstance(queue, Failing)
        store = life_of(queue).open().store
        conclude, tries = store.conclude, Seen()

        def unsure(owner: int, outcome: Outcome) -> Any:
            told = conclude(owner, outcome)
            tries(told[0])
            if len(tries.all) == 1:
                raise WriteUnknown("the disk failed, after all was written", queue.path)
            return told

        monkeypatch.setattr(store, "conclude", unsure)
        [job] = finished(queue, queue.enqueue("bad"))
        [(told, _, _)] = queue.told.wait_for(lambda all_: all_)
        assert (told.id, tries.all) == (job.id, [True, False])


def test_a_failure_that_was_taken_from_its_process_is_not_told(
    make_queue: MakeQueue, caplog: pytest.LogCaptureFixture
) -> None:
    class Losing(Failing):
        def handle_item(self, item: Any) -> None:
            engine = life_of(self).open()
            if item == "bad":
                assert engine.owner is not None
                engine.store.finish(engine.owner, [Outcome(self.current_job.run, "release")])
                if self.current_job.run.starts == 1:
                    raise ValueError

    with make_queue(Losing, worker_count=1) as queue:
        assert isinstance(queue, Failing)
        finished(queue, queue.enqueue("good"))
        job = queue.enqueue("bad")
        wait_until(lambda: f"job {job.id} was taken from this process" in caplog.text)
        queue.cancel(job.id)
        assert queue.told.all == []


def test_a_stop_gives_it_the_grace(make_queue: MakeQueue) -> None:
    gate = Gate()

    class Holding(Failing):
        def on_failure(self, job: Job, error: JobError) -> None:
            gate.hold()
            self.told(self.enqueue("good"))

    queue = make_queue(Holding).start()
    assert isinstance(queue, Failing)
    queue.enqueue("bad")
    gate.wait_held()
    stopping = threading.Thread(target=queue.stop, args=(DEADLINE,))
    stopping.start()
    gate.open()
    stopping.join(DEADLINE)
    assert not stopping.is_alive()
    assert len(queue.told.all) == 1


def test_a_stop_says_which_calls_it_did_not_wait_for(
    make_queue: MakeQueue, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate()

    class Holding(Failing):
        def on_failure(self, job: Job, error: JobError) -> None:
            gate.hold()

    queue = make_queue(Holding).start()
    job = queue.enqueue("bad")
    gate.wait_held()
    queue.stop(0)
    gate.open()
    assert f"stops while its on_failure still runs for job {job.id}" in caplog.text
    assert "go back to the queue" not in caplog.text


def test_it_cannot_stop_its_own_queue(make_queue: MakeQueue) -> None:
    class Stopping(Failing):
        def on_failure(self, job: Job, error: JobError) -> None:
            with pytest.raises(StopInsideHandler):
                self.stop()
            self.told(1)

    with make_queue(Stopping) as queue:
        assert isinstance(queue, Failing)
        queue.enqueue("bad")
        queue.told.wait_for(lambda all_: all_)


def test_a_call_that_goes_on_for_long_is_logged_once(
    make_queue: MakeQueue, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "_LONG_SECONDS", 0.0)
    monkeypatch.setattr(keeper, "_FAILURES_SECONDS", 0.0)
    gate = Gate()

    class Holding(Failing):
        def on_failure(self, job: Job, error: JobError) -> None:
            gate.hold()

    with make_queue(Holding) as queue:
        job = queue.enqueue("bad")
        gate.wait_held()
        wait_until(lambda: "has been running for" in caplog.text)
        [told] = life_of(queue).open().crew.failures
        told.look()  # as the keeper does, again and again
        gate.open()
    assert f"s for job {job.id}, and keeps a worker" in caplog.text
    assert caplog.text.count("has been running for") == 1


@pytest.mark.parametrize(
    "hook",
    [lambda self: None, lambda self, job: None, lambda self, job, error, more: None],
    ids=["too few", "one too few", "one too many"],
)
def test_one_that_could_not_be_called_is_refused(hook: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"Work.on_failure: expected a method that takes"):
        type("Work", (QueueService,), {"name": "work", "on_failure": hook})
