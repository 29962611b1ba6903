"""Numbers that are read in bounded time: jobs by state, moves by time, how long runs took."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sprag.queue import QueueService
from sprag.queue.service import life_of
from sprag.queue.states import Event
from sprag.queue.store.statistics import Statistics, percentile
from tests.conftest import MakeQueue
from tests.support import Seen, finished, sql


def handle(queue: QueueService, item: Any) -> Any:
    if item["fail"]:
        raise ValueError(item["fail"])
    return item


@pytest.fixture
def queue(make_queue: MakeQueue) -> QueueService:
    return make_queue(handle, worker_count=1, max_attempts=1)


def statistics_of(queue: QueueService) -> Statistics:
    return life_of(queue).open().store.statistics


def add(queue: QueueService, fail: str = "", **options: Any) -> str:
    return queue.enqueue({"fail": fail}, **options).id


def test_moves_are_counted_by_time(queue: QueueService) -> None:
    good, bad = add(queue), add(queue, fail="no")
    queue.start()
    finished(queue, good, bad)
    statistics = statistics_of(queue)
    events: tuple[Event, ...] = ("enqueue", "complete", "fail")
    head, _tick = life_of(queue).open().store.journal.head()
    # A slot of the epoch's first century has them all.
    counted = statistics.moves(0, head, events, 3e9)
    assert counted == [
        (0, "work", "complete", 1),
        (0, "work", "enqueue", 2),
        (0, "work", "fail", 1),
    ]
    assert sum(moves for *_, moves in statistics.moves(0, 1, events, 3e9)) == 1
    assert statistics.moves(head, head + 9, events, 3e9) == []
    at = queue.get(good).created_at
    assert {int(at // 60), int(at // 60) + 1} >= {n for n, *_ in statistics.moves(0, 2, events, 60)}
    assert statistics.moved_at(1) == at
    assert statistics.moved_at(head + 1) is None


def test_queued_jobs_are_counted_by_why_they_are_queued(
    queue: QueueService, database: Path
) -> None:
    now = life_of(queue).open().store.clock()
    add(queue)
    for _ in range(3):
        add(queue, delay=3600)
    # One whose time has come, and that nobody has promoted: no process runs its queue.
    overdue = "INSERT INTO job (queue, item, waiting, due_at) VALUES ('work', '1', 1, ?)"
    sql(database, overdue, (now - 5,))
    tally = statistics_of(queue).tallies((), now + 60)["work"]
    assert {state: count for state, count in tally.counts.items() if count} == {
        "ready": 2,
        "scheduled": 3,
    }
    assert statistics_of(queue).tallies((), now + 7200)["work"].counts["ready"] == 5


def test_a_job_that_waits_for_its_next_attempt_is_retrying(make_queue: MakeQueue) -> None:
    queue = make_queue(handle, max_attempts=2, backoff=3600.0)
    add(queue, delay=7200)
    seen = Seen()
    subscription = queue.subscribe(seen)
    job = add(queue, fail="no")
    queue.start()
    seen.wait_for(
        lambda signals: any(s["job_id"] == job and s["event"] == "retry" for s in signals)
    )
    subscription.close()
    now = life_of(queue).open().store.clock()
    counts = statistics_of(queue).tallies((), now)["work"].counts
    assert (counts["ready"], counts["scheduled"], counts["retrying"]) == (0, 1, 1)


def test_a_count_stops_at_its_bound_and_says_so(queue: QueueService) -> None:
    now = life_of(queue).open().store.clock()
    for _ in range(11):
        add(queue)
        add(queue, delay=3600)
    tally = statistics_of(queue).tallies((), now + 60, most=12)["work"]
    assert (tally.counts["ready"], tally.counts["scheduled"]) == (10, 2)
    assert tally.at_least == {"ready", "scheduled", "retrying"}
    assert statistics_of(queue).tallies((), now + 60)["work"].at_least == frozenset()


def test_the_last_runs_say_how_long_they_waited_and_ran(
    queue: QueueService, database: Path
) -> None:
    jobs = [add(queue, fail="x" * (n % 2)) for n in range(4)]
    cancelled = add(queue, delay=3600)
    queue.cancel(cancelled)
    queue.start()
    done = {job.id: job for job in finished(queue, *jobs)}
    runs = statistics_of(queue).runs()["work"]
    assert len(runs) == 4
    # The worker takes one after the other, so the last one ended last.
    last = done[jobs[-1]]
    assert last.started_at is not None
    assert last.finished_at is not None
    assert runs[0].waited == last.started_at - last.due_at
    assert runs[0].ran == last.finished_at - last.started_at
    assert len(statistics_of(queue).runs(count=2)["work"]) == 2
    assert statistics_of(queue).runs(window=0) == {}


def test_percentiles_are_values_that_were_seen() -> None:
    assert percentile([], 0.5) is None
    assert percentile([3.0], 0.95) == 3.0
    assert percentile(range(100), 0.5) == 50
    assert percentile(range(100), 0.95) == 95


@pytest.mark.parametrize(("older", "keep"), [(0.0, None), (None, 2), (1e9, 3), (1e9, None)])
def test_what_would_be_pruned_is_what_is_pruned(
    queue: QueueService, older: float | None, keep: int | None
) -> None:
    jobs = [add(queue, fail="x" * (n % 2)) for n in range(9)]
    queue.start()
    finished(queue, *jobs)
    queue.stop()
    store = life_of(queue).open().store
    before = None if older is None else store.clock() - older
    counted, whole = store.pruning.prunable("work", before, keep)
    assert whole
    assert store.pruning.prune("work", before, keep) == counted
    assert len(queue.jobs()) == 9 - counted
    assert counted == {(0.0, None): 8, (None, 2): 7, (1e9, 3): 6, (1e9, None): 0}[older, keep]
