"""The clock of a queue: every time that is stored, and everything that waits."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from sprag import QueueService
from sprag.queue import ConfigurationError
from sprag.testing import Clock, drain
from tests.conftest import MakeQueue

START = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
def clock() -> Clock:
    return Clock(START)


@pytest.fixture
def queue(make_queue: MakeQueue, clock: Clock) -> QueueService:
    made = make_queue()
    clock.rule(made)
    return made


def test_all_times_of_a_job_are_those_of_the_clock(queue: QueueService, clock: Clock) -> None:
    at = START.timestamp()
    job = queue.enqueue("now")
    clock.forward("1h")
    [done] = drain(queue)
    assert (job.created_at, done.started_at, done.finished_at) == (at, at + 3600, at + 3600)
    assert clock() == at + 3600
    assert repr(clock) == f"<Clock {at + 3600}>"


@pytest.mark.parametrize("many", [False, True])
def test_a_delay_counts_from_what_the_clock_says(
    queue: QueueService, clock: Clock, many: bool
) -> None:
    if many:
        queue.enqueue_many([1, 2], delay="1d")
    else:
        queue.enqueue(1, delay="1d")
    clock.forward(86_399)
    assert drain(queue) == []
    clock.forward(1)
    assert {job.due_at for job in drain(queue)} == {START.timestamp() + 86_400}


def test_run_at_is_a_point_of_the_clock(queue: QueueService, clock: Clock) -> None:
    queue.enqueue(1, run_at=datetime(2030, 6, 1, tzinfo=UTC))
    assert drain(queue) == []
    clock.set(datetime(2030, 6, 1, tzinfo=UTC))
    assert len(drain(queue)) == 1


def test_a_unique_key_is_held_by_the_clock(queue: QueueService, clock: Clock) -> None:
    def again() -> bool:
        return queue.enqueue(1, unique="key", unique_for="1h").existing

    assert [again(), again()] == [False, True]
    drain(queue)
    clock.forward("59m")
    assert again()
    clock.forward("1m")
    assert not again()


def test_pruning_by_age_goes_by_the_clock(queue: QueueService, clock: Clock) -> None:
    queue.enqueue_many([1, 2, 3])
    drain(queue)
    assert queue.prune(older_than="1d") == 0
    clock.forward("2d")
    assert queue.prune(older_than="1d") > 0


def test_workers_go_by_the_clock_too(make_queue: MakeQueue, clock: Clock) -> None:
    def fail_once(self: QueueService, item: Any) -> None:
        if self.current_job.attempt == 1:
            raise ValueError(item)

    queue = make_queue(fail_once, max_attempts=2, backoff=0)
    clock.rule(queue)
    with queue:
        done = queue.wait(queue.enqueue(1).id, 60)
    history = queue.history(done.id)
    assert {move.at for move in history} == {START.timestamp()}
    assert [move.due_at for move in history if move.event == "retry"] == [START.timestamp()]


def test_it_rules_all_queues_of_the_file_until_that_is_closed(
    queue: QueueService, make_queue: MakeQueue, clock: Clock
) -> None:
    other = make_queue(name="other")
    assert other.enqueue(1, delay=1).due_at == START.timestamp() + 1
    queue.stop()
    other.stop()
    assert other.enqueue(1).created_at < START.timestamp()


@pytest.mark.parametrize("start", [-1, float("nan"), "today", datetime(2030, 1, 1)])  # noqa: DTZ001
def test_a_start_that_is_no_point_in_time_is_refused(start: Any) -> None:
    with pytest.raises(ConfigurationError, match="start: expected"):
        Clock(start)


def test_it_goes_forward_only_by_durations() -> None:
    clock = Clock()
    with pytest.raises(ConfigurationError, match="forward: expected seconds"):
        clock.forward(-1)
    with pytest.raises(ConfigurationError, match="set: expected"):
        clock.set("noon")  # type: ignore[arg-type]
