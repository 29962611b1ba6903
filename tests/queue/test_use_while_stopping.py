"""A queue that is being stopped still serves those whom the stop waits for."""

from __future__ import annotations

from threading import Event, Thread
from typing import Any

import pytest

from sprag.queue import QueueClosed, QueueService, Signal
from sprag.queue.service import life_of
from tests.conftest import MakeQueue
from tests.support import DEADLINE, Gate, Seen, finished, until_stopping, wait


def stop_in_thread(queue: QueueService) -> Thread:
    thread = Thread(target=queue.stop, args=(DEADLINE,), daemon=True)
    thread.start()
    return thread


def ended(thread: Thread) -> bool:
    thread.join(DEADLINE)
    return not thread.is_alive()


def test_a_handler_may_enqueue_during_the_grace_of_a_stop(make_queue: MakeQueue) -> None:
    inside, stopping, follow_ups = Event(), Event(), []

    def handler(queue: Any, item: Any) -> Any:
        if item == "first":
            inside.set()
            wait(stopping)
            follow_ups.append(queue.enqueue("second").id)
        return item

    queue = make_queue(handler, worker_count=1).start()
    first = queue.enqueue("first")
    wait(inside)
    stop = stop_in_thread(queue)
    until_stopping(queue)
    stopping.set()
    assert ended(stop)
    assert queue.get(first.id).status == "completed"
    assert queue.get(follow_ups[0]).status == "queued"
    queue.start()
    assert [job.result for job in finished(queue, *follow_ups)] == ["second"]


def test_a_subscriber_may_read_jobs_while_the_queue_stops(make_queue: MakeQueue) -> None:
    called, stopping, seen = Event(), Event(), []

    def callback(signal: Signal) -> None:
        if signal["event"] == "complete":
            called.set()
            wait(stopping)
            seen.append(queue.get(signal["job_id"]).status)

    queue = make_queue(worker_count=1).start()
    queue.subscribe(callback)
    queue.enqueue("a")
    wait(called)
    stop = stop_in_thread(queue)
    until_stopping(queue)
    stopping.set()
    assert ended(stop)
    assert seen == ["completed"]


@pytest.mark.parametrize("shared", [False, True], ids=["last", "shared"])
@pytest.mark.parametrize("moment", ["before it is known", "after it is known"])
def test_a_subscription_that_begins_while_its_queue_stops_ends_with_it(
    make_queue: MakeQueue, monkeypatch: pytest.MonkeyPatch, shared: bool, moment: str
) -> None:
    gate, told = Gate(), Seen()
    queue, other = make_queue(), make_queue()
    queue.counts()
    if shared:
        other.counts()  # keeps the file open
    observers = life_of(queue).open().observers
    part, name = (observers, "subscribe") if "after" in moment else (observers._journal, "head")
    done = getattr(part, name)

    def held(*arguments: Any, **options: Any) -> Any:
        result = done(*arguments, **options)
        gate.hold()
        return result

    def subscribe() -> None:
        try:
            told(queue.subscribe(print))
        except QueueClosed as error:
            told(error)

    monkeypatch.setattr(part, name, held)
    thread = Thread(target=subscribe, daemon=True)
    thread.start()
    gate.wait_held()
    queue.stop()
    gate.open()
    assert ended(thread)
    assert isinstance(told.all[0], QueueClosed)
    assert not observers.any


def test_nobody_subscribes_to_a_file_that_was_closed(make_queue: MakeQueue) -> None:
    queue = make_queue()
    queue.counts()
    observers = life_of(queue).open().observers
    observers.close()  # as the last close does, before it closes the file
    with pytest.raises(QueueClosed):
        observers.subscribe(print)
    queue.stop()
