"""What subscribers are told: all of it, once, in order, and nothing that is not in the file."""

from __future__ import annotations

import asyncio
import random
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import _oracle as oracle
from sprag.queue import QueueService, Signal, Subscription
from tests.conftest import MakeQueue
from tests.support import DEADLINE, Seen, child, finished, queue_class, raw, sql, wait

PROGRAMS = Path(__file__).with_name("programs")

MOVES_OF_A_JOB = ["enqueue", "start", "complete"]


def moves(signals: list[Signal]) -> list[int]:
    return [signal["seq"] for signal in signals if signal["event"] != "progress"]


def head(path: Path) -> int:
    [(seq,)] = sql(path, "SELECT max(seq) FROM transition")
    return int(seq)


def test_a_subscriber_that_raises_misses_nothing_and_harms_nobody(
    make_queue: MakeQueue, caplog: pytest.LogCaptureFixture
) -> None:
    queue = make_queue().start()
    seen, other = Seen(), Seen()

    def callback(signal: Signal) -> None:
        seen(signal)
        raise ValueError(f"at {signal['seq']}")

    queue.subscribe(callback)
    queue.subscribe(other)
    finished(queue, *queue.enqueue_many(range(20)))
    assert moves(seen.wait_for(lambda all_: len(all_) >= 60)) == list(range(1, 61))
    assert moves(other.wait_for(lambda all_: len(all_) >= 60)) == list(range(1, 61))
    assert "a subscriber raised after seq 0" in caplog.text


def test_a_subscriber_that_stalls_holds_up_nobody_and_catches_up(make_queue: MakeQueue) -> None:
    queue = make_queue(durability="normal").start()
    stalled, go, late, other = threading.Event(), threading.Event(), Seen(), Seen()

    def callback(signal: Signal) -> None:
        stalled.set()
        wait(go)
        late(signal)

    queue.subscribe(callback)
    queue.subscribe(other)
    queue.enqueue("first")
    wait(stalled)
    # More than one page of the journal, all while it stalls.
    jobs = queue.enqueue_many(range(700))
    finished(queue, *jobs)
    other.wait_for(lambda all_: len(moves(all_)) == 3 * 701)
    assert late.all == []
    go.set()
    signals = late.wait_for(lambda all_: len(moves(all_)) == 3 * 701)
    assert moves(signals) == list(range(1, 3 * 701 + 1))


def test_a_subscriber_that_never_returns_does_not_keep_the_queue_from_stopping(
    make_queue: MakeQueue,
) -> None:
    stalled, never = threading.Event(), threading.Event()
    queue = make_queue().start()

    def callback(signal: Signal) -> None:
        stalled.set()
        never.wait()

    queue.subscribe(callback)
    queue.enqueue(1)
    wait(stalled)
    stop = threading.Thread(target=queue.stop, daemon=True)
    stop.start()
    stop.join(DEADLINE)
    ended = not stop.is_alive()
    never.set()
    stop.join(DEADLINE)
    assert ended


def test_a_callback_may_subscribe_and_close_and_use_the_queue(make_queue: MakeQueue) -> None:
    queue = make_queue().start()
    inner, statuses = Seen(), Seen()
    subscriptions: list[Subscription] = []

    def callback(signal: Signal) -> None:
        statuses(queue.get(signal["job_id"]).status)
        if signal["event"] == "enqueue" and len(subscriptions) == 1:
            subscriptions.append(queue.subscribe(inner, after=0))
        elif signal["event"] == "complete":
            subscriptions[0].close()
            subscriptions[1].close()
            queue.enqueue("after the end")

    subscriptions.append(queue.subscribe(callback))
    queue.enqueue("first")
    statuses.wait_for(lambda all_: len(all_) >= 3)
    queue.wait(queue.jobs(limit=1).jobs[0].id, DEADLINE)
    # The second job was enqueued by the callback, after it had closed both.
    subscriptions[0].close()
    assert len(statuses.all) == 3
    assert moves(inner.all) == list(range(1, len(moves(inner.all)) + 1))
    assert len(inner.all) <= 3


def test_subscribers_that_close_each_other_at_once_do_not_hang(make_queue: MakeQueue) -> None:
    queue = make_queue(durability="normal").start()
    for _ in range(30):
        seen = Seen()
        subscriptions: list[Subscription] = []
        ready = threading.Event()

        def callback(
            signal: Signal,
            seen: Seen = seen,
            ready: threading.Event = ready,
            subscriptions: list[Subscription] = subscriptions,
        ) -> None:
            wait(ready)
            seen(signal)
            subscriptions[1].close()

        subscriptions += [queue.subscribe(callback), queue.subscribe(seen)]
        queue.enqueue(1)
        ready.set()
        subscriptions[0].close()
        subscriptions[1].close()
    assert not [t for t in threading.enumerate() if t.name == "sprag-subscriber"]


def test_resuming_after_the_last_seq_misses_and_repeats_nothing(make_queue: MakeQueue) -> None:
    noise = random.Random(3)

    def some_or_the_last(wanted: int, all_: list[Signal]) -> bool:
        return len(all_) >= wanted or 1200 in moves(all_)

    def handler(queue: QueueService, item: int) -> None:
        queue.report_progress(current=item, total=100)

    queue = make_queue(handler, durability="normal").start()
    feeding = threading.Thread(target=lambda: [queue.enqueue(n) for n in range(400)], daemon=True)
    feeding.start()
    seqs: list[int] = []
    resumed = 0
    seq = 0
    while seq < 1200:
        seen = Seen()
        subscription = queue.subscribe(seen, after=seq)
        seen.wait_for(partial(some_or_the_last, noise.randrange(1, 60)))
        subscription.close()
        told = seen.all
        seqs += moves(told)
        assert subscription.seq == (seqs[-1] if seqs else 0)
        seq = subscription.seq
        resumed += 1
    feeding.join(DEADLINE)
    assert seqs == list(range(1, 1201))
    assert resumed > 3


def test_signals_are_in_order_and_progress_comes_before_the_outcome(
    make_queue: MakeQueue,
) -> None:
    pause = threading.Event()

    def handler(queue: QueueService, item: int) -> int:
        for step in range(item % 4 + 1):
            queue.report_progress(current=step, total=100)
            pause.wait(0.002 * (item % 3))
        queue.report_progress(current=100, total=100, message=f"all of {item}")
        if item % 5 == 0:
            raise ValueError("no")
        return item

    queue = make_queue(handler, worker_count=4, durability="normal").start()
    seen = Seen()
    queue.subscribe(seen)
    jobs = queue.enqueue_many(range(120))
    finished(queue, *jobs)
    signals = seen.wait_for(lambda all_: len(moves(all_)) == 360)
    assert moves(signals) == list(range(1, 361))
    places = [signal["seq"] for signal in signals]
    assert places == sorted(places)
    for n, job in enumerate(jobs):
        own = [s for s in signals if s["job_id"] == job.id]
        end = "fail" if n % 5 == 0 else "complete"
        assert [s["event"] for s in own if s["event"] != "progress"] == ["enqueue", "start", end]
        assert [s["event"] for s in own].index("start") == 1
        # The very last report is announced, and before the end.
        assert own[-1]["event"] == end
        assert own[-2]["event"] == "progress"
        assert own[-2]["progress"]["message"] == f"all of {n}"
        assert own[-1]["progress"] == own[-2]["progress"]


def test_a_subscriber_that_was_away_still_gets_progress_before_the_outcome(
    make_queue: MakeQueue,
) -> None:
    def handler(queue: QueueService, item: int) -> None:
        queue.report_progress(percent=item)

    queue = make_queue(handler, worker_count=2, durability="normal").start()
    finished(queue, *queue.enqueue_many([n % 100 for n in range(400)]))
    seen = Seen()
    with queue.subscribe(seen, after=0):
        signals = seen.wait_for(lambda all_: len(all_) == 1600)
    ended: set[str] = set()
    for signal in signals:
        if signal["event"] == "complete":
            ended.add(signal["job_id"])
        elif signal["event"] == "progress":
            assert signal["job_id"] not in ended
    assert len(ended) == 400


def test_progress_is_told_with_the_state_that_the_job_had_then(make_queue: MakeQueue) -> None:
    started = threading.Event()

    def handler(queue: QueueService, _item: int) -> None:
        started.set()
        while not queue.current_job.cancel_requested:
            threading.Event().wait(0.001)
        queue.report_progress(percent=50)  # stored together with the outcome
        queue.check_cancelled()

    queue = make_queue(handler, durability="normal").start()
    job = queue.enqueue(0)
    wait(started)
    queue.cancel(job.id)
    finished(queue, job)
    seen = Seen()
    with queue.subscribe(seen, after=0):
        signals = seen.wait_for(lambda all_: len(all_) == 5)
    assert [(signal["event"], signal["status"]) for signal in signals] == [
        ("enqueue", "queued"),
        ("start", "running"),
        ("cancel", "cancelling"),
        ("progress", "cancelling"),
        ("confirm", "cancelled"),
    ]


def test_no_signal_runs_ahead_of_the_file(make_queue: MakeQueue, database: Path) -> None:
    pause = threading.Event()

    def handler(queue: QueueService, item: int) -> None:
        queue.report_progress(current=item)
        pause.wait(0.001)

    queue = make_queue(handler, durability="normal").start()
    checked = Seen()
    with raw(database) as connection:

        def callback(signal: Signal) -> None:
            if signal["event"] == "progress":
                found = connection.execute(
                    "SELECT count(*) FROM progress JOIN job ON job = key WHERE id = ? "
                    "AND progress.seq >= ?",
                    (signal["job_id"], signal["seq"]),
                ).get
            else:
                found = connection.execute(
                    "SELECT count(*) FROM transition JOIN job ON job = key "
                    "WHERE seq = ? AND id = ? AND transition.event = ? AND to_status = ?",
                    (signal["seq"], signal["job_id"], signal["event"], signal["status"]),
                ).get
            checked((signal, found))

        with queue.subscribe(callback):
            finished(queue, *queue.enqueue_many(range(100)))
            seen = checked.wait_for(
                lambda all_: sum(s["event"] != "progress" for s, _ in all_) == 300
            )
    assert [signal for signal, found in seen if found != 1] == []


def test_moves_of_another_process_arrive_complete_and_in_order(
    make_queue: MakeQueue, database: Path
) -> None:
    queue = make_queue()  # it runs no jobs itself
    seen = Seen()
    queue.subscribe(seen)
    with child(PROGRAMS / "thirty_jobs.py", database) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "done\n"
        signals = seen.wait_for(lambda all_: len(moves(all_)) == 90)
        process.communicate("\n", timeout=DEADLINE)
    assert moves(signals) == list(range(1, 91))
    for job_id in {signal["job_id"] for signal in signals}:
        own = [s["event"] for s in signals if s["job_id"] == job_id]
        assert [event for event in own if event != "progress"] == MOVES_OF_A_JOB
        assert own[-2:] == ["progress", "complete"]


def test_a_subscriber_keeps_up_with_pruning(make_queue: MakeQueue, database: Path) -> None:
    queue = make_queue(durability="normal").start()
    seen = Seen()
    queue.subscribe(seen)
    for _ in range(10):
        finished(queue, *queue.enqueue_many(range(30)))
        queue.prune(keep=5)
    newest = head(database)
    signals = seen.wait_for(lambda all_: moves(all_)[-1:] == [newest])
    seqs = moves(signals)
    assert seqs == sorted(set(seqs))
    with raw(database) as connection:
        assert oracle.audit(connection) == []
        kept = [seq for (seq,) in connection.execute("SELECT seq FROM transition")]
    assert set(kept) <= set(seqs)


def test_subscribers_of_two_queues_each_see_their_own(make_queue: MakeQueue) -> None:
    one = make_queue(queue_class(name="one")).start()
    two = make_queue(queue_class(name="two")).start()
    seen: dict[str, Any] = {"one": Seen(), "two": Seen()}
    one.subscribe(seen["one"])
    two.subscribe(seen["two"])
    for n in range(20):
        (one if n % 2 else two).enqueue(n)
    for name, signals in seen.items():
        own = signals.wait_for(lambda all_: len(moves(all_)) == 30)
        assert {signal["queue"] for signal in own} == {name}


def test_a_subscriber_outlives_whatever_its_callback_raises(make_queue: MakeQueue) -> None:
    seen = Seen()

    def callback(signal: Signal) -> None:
        seen(signal)
        raise [asyncio.CancelledError, SystemExit, KeyboardInterrupt][signal["seq"] % 3]

    queue = make_queue().start()
    queue.subscribe(callback)
    finished(queue, *queue.enqueue_many(range(3)))
    assert moves(seen.wait_for(lambda all_: len(all_) >= 9)) == list(range(1, 10))
