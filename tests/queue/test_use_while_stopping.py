"""A queue that is being stopped still serves those whom the stop waits for."""

from __future__ import annotations

from threading import Event, Thread
from typing import Any

from sprag.queue import QueueService, Signal
from tests.conftest import MakeQueue
from tests.support import DEADLINE, finished, until_stopping, wait


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
