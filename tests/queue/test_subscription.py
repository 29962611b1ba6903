"""A subscription ends: with its queue, together with all others."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sprag.queue import Signal
from sprag.queue.service import life_of
from sprag.queue.watch.subscription import CLOSE_SECONDS, Callback
from sprag.queue.work.engine import Engine
from tests.conftest import MakeQueue
from tests.support import DEADLINE, wait_until

SLOW = 8
"""So many callbacks that do not return: one after another they would take eight seconds."""


@contextmanager
def slow_callbacks() -> Iterator[tuple[Callback, threading.Semaphore]]:
    """A callback that does not return before the block ends, and what counts its calls."""
    called, over = threading.Semaphore(0), threading.Event()

    def callback(signal: Signal) -> None:
        called.release()
        over.wait(DEADLINE)

    try:
        yield callback, called
    finally:
        over.set()


def wait_for_calls(called: threading.Semaphore) -> None:
    for _ in range(SLOW):
        assert called.acquire(timeout=DEADLINE)


def test_subscribers_that_do_not_return_cost_a_stop_one_second_together(
    make_queue: MakeQueue,
) -> None:
    with slow_callbacks() as (callback, called):
        queue = make_queue()
        for _ in range(SLOW):
            queue.subscribe(callback)
        queue.enqueue(1)
        wait_for_calls(called)
        begun = time.monotonic()
        queue.stop()
        assert time.monotonic() - begun < CLOSE_SECONDS * SLOW / 2


def test_a_file_that_closes_gives_its_subscribers_one_second_and_holds_up_no_other_file(
    make_queue: MakeQueue,
) -> None:
    """As for the pages and dashboards that are still open when the last queue of a file stops."""
    with slow_callbacks() as (callback, called):
        queue = make_queue()
        engine = life_of(queue).open()
        subscriptions = [engine.observers.subscribe(callback) for _ in range(SLOW)]
        queue.enqueue(1)
        wait_for_calls(called)
        begun = time.monotonic()
        stop = threading.Thread(target=queue.stop)
        stop.start()
        wait_until(lambda: engine.database.closed)
        assert all(subscription._thread.is_alive() for subscription in subscriptions)
        Engine.open(f"{queue.path}-2").close()
        stop.join(DEADLINE)
        assert CLOSE_SECONDS / 2 < time.monotonic() - begun < CLOSE_SECONDS * SLOW / 2


def test_subscriptions_that_a_queue_has_ended_are_not_waited_for_again(
    make_queue: MakeQueue,
) -> None:
    with slow_callbacks() as (callback, called):
        queue, other = make_queue(), make_queue()
        other.counts()  # it keeps the file open
        for _ in range(SLOW):
            queue.subscribe(callback)
        queue.enqueue(1)
        wait_for_calls(called)
        queue.stop()
        begun = time.monotonic()
        queue.counts()
        queue.stop()
        assert time.monotonic() - begun < CLOSE_SECONDS / 2
