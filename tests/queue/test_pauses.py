"""No process starts jobs of a queue that is paused, and nothing else changes."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from sprag.queue import ConfigurationError, QueueService, WaitTimeout
from sprag.queue.service import life_of
from sprag.queue.work.attendance import is_unattended, unattended
from tests.conftest import MakeQueue
from tests.support import Gate, child, finished, raw, sql, wait_until

PROGRAM = Path(__file__).with_name("programs") / "another_worker.py"


def started(database: Path) -> list[str]:
    """The ids of the jobs that were started, in the journal's order."""
    statement = """SELECT job.id FROM transition JOIN job ON job.key = transition.job
                   WHERE transition.event = 'start' ORDER BY transition.seq"""
    return [id_ for (id_,) in sql(database, statement)]


def test_a_paused_queue_says_so_and_why(make_queue: MakeQueue, database: Path) -> None:
    queue, other = make_queue(), make_queue()
    assert [queue.paused, other.paused] == [None, None]
    queue.pause("the mail server moves")
    paused = other.paused
    assert paused is not None
    assert paused.reason == "the mail server moves"
    queue.pause()
    assert [queue.paused, other.paused] == [(None, paused.since)] * 2  # since the first one
    queue.resume()
    assert [queue.paused, other.paused] == [None, None]
    queue.resume()


@pytest.mark.parametrize("reason", [7, "two\nlines", "x" * 201, b"bytes"])
def test_a_reason_is_one_line_of_text(make_queue: MakeQueue, reason: object) -> None:
    queue = make_queue()
    with pytest.raises(ConfigurationError, match="reason: expected one line of printable text"):
        queue.pause(reason)  # type: ignore[arg-type]
    assert queue.paused is None


def test_no_job_starts_until_the_queue_is_resumed(make_queue: MakeQueue, database: Path) -> None:
    gate = Gate()
    queue = make_queue(lambda self, item: gate.hold(), worker_count=2).start()
    running = queue.enqueue("running")
    gate.wait_held()
    queue.pause()
    waiting = [queue.enqueue(number) for number in range(3)]
    gate.open()  # what runs goes on
    finished(queue, running)
    with pytest.raises(WaitTimeout):
        queue.wait(waiting[0].id, 0.3)
    assert started(database) == [running.id]
    queue.resume()
    finished(queue, *waiting)


def test_another_queue_of_the_file_goes_on(make_queue: MakeQueue) -> None:
    paused, other = make_queue(name="paused").start(), make_queue(name="other").start()
    paused.pause()
    paused.enqueue(1)
    finished(other, other.enqueue(2))
    assert paused.counts()["queued"] == 1


def test_a_pause_holds_for_jobs_that_are_tried_one_by_one(
    make_queue: MakeQueue, database: Path
) -> None:
    """One job of the queue cannot be started, so each is tried by itself."""
    queue = make_queue(worker_count=1)
    spoilt = queue.enqueue(1)
    with raw(database) as connection:
        connection.execute(
            f"""CREATE TRIGGER spoilt BEFORE UPDATE ON job WHEN NEW.id = '{spoilt.id}'
                BEGIN SELECT RAISE(ABORT, 'spoilt'); END"""
        )
    queue.start()
    finished(queue, queue.enqueue(2))
    queue.pause()
    waiting = queue.enqueue(3)
    with pytest.raises(WaitTimeout):
        queue.wait(waiting.id, 0.3)
    queue.resume()
    finished(queue, waiting)


def test_a_pause_and_its_end_hold_for_other_processes(
    make_queue: MakeQueue, database: Path
) -> None:
    queue = make_queue(QueueService, name="work")
    with child(PROGRAM, database) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "runs"
        finished(queue, queue.enqueue(1))
        queue.pause()
        before = started(database)
        waiting = [queue.enqueue(number) for number in range(5)]
        with pytest.raises(WaitTimeout, match="queue 'work' is paused"):
            queue.wait(waiting[0].id, 0.5)
        assert started(database) == before
        queue.resume()
        finished(queue, *waiting)


def test_a_pause_outlasts_the_processes(make_queue: MakeQueue) -> None:
    first = make_queue().start()
    first.pause("until tomorrow")
    first.stop()
    second = make_queue().start()
    job = second.enqueue(1)
    with pytest.raises(WaitTimeout):
        second.wait(job.id, 0.3)
    second.resume()
    finished(second, job)


def test_a_wait_that_ends_says_that_the_queue_is_paused(make_queue: MakeQueue) -> None:
    queue = make_queue()
    job = queue.enqueue(1)
    queue.pause("deploying")
    with pytest.raises(WaitTimeout) as told:
        queue.wait(job.id, 0)
    assert told.value.unattended is None
    assert str(told.value).endswith(
        ": queue 'work' is paused (deploying). Call resume(), or run `sprag resume work`"
    )
    queue.resume()
    with pytest.raises(WaitTimeout, match="no process runs queue 'work'"):
        queue.wait(job.id, 0)


def test_it_is_not_said_that_nobody_runs_a_paused_queue(
    make_queue: MakeQueue, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "sprag.queue")
    queue = make_queue()
    queue.pause()
    queue.enqueue(1)
    engine = life_of(queue).open()
    assert not is_unattended(engine, "work")
    assert unattended(engine.store, engine.folder) == {}
    queue.stop()
    assert "no process runs" not in caplog.text


def test_what_waits_becomes_due_while_the_queue_is_paused(make_queue: MakeQueue) -> None:
    queue = make_queue().start()
    queue.pause()
    job = queue.enqueue(1, delay=0.01)
    store = life_of(queue).open().store
    wait_until(lambda: store.jobs.next_due("work") is None)
    assert queue.get(job.id).status == "queued"
    queue.resume()
    finished(queue, job)


def test_a_text_of_another_program_that_is_not_utf8_is_shown(
    make_queue: MakeQueue, database: Path
) -> None:
    queue = make_queue()
    queue.enqueue(1)
    with raw(database) as connection:
        connection.execute("INSERT INTO pause VALUES ('work', CAST(x'ff41' AS TEXT), 7)")
    assert queue.paused == ("\ufffdA", 7.0)
    assert life_of(queue).open().store.pauses.all() == {"work": ("\ufffdA", 7.0)}
