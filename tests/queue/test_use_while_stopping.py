"""A queue that is being stopped still serves those whom the stop waits for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from logging import Handler, LogRecord, getLogger
from threading import Event, Thread
from typing import Any

import pytest

from sprag.queue import QueueClosed, QueueError, QueueService, Signal, StopInsideHandler
from sprag.queue.service import life_of
from sprag.queue.store.tickets import Outcome
from sprag.queue.threads.logs import Log, settle
from tests.conftest import MakeQueue
from tests.support import DEADLINE, Gate, Seen, finished, until_stopping, wait

AddLogHandler = Callable[[Callable[[LogRecord], None]], None]


class Calling(Handler):
    def __init__(self, does: Callable[[LogRecord], None]) -> None:
        super().__init__()
        self._does = does

    def emit(self, record: LogRecord) -> None:
        self._does(record)


@pytest.fixture
def add_log_handler() -> Iterator[AddLogHandler]:
    """`add_log_handler(does)`: it is called with each of the queue's lines until the test ends."""
    logger = getLogger("sprag.queue")
    added: list[Handler] = []

    def add(does: Callable[[LogRecord], None]) -> None:
        handler = Calling(does)
        logger.addHandler(handler)
        added.append(handler)

    yield add
    settle(DEADLINE)
    for handler in added:
        logger.removeHandler(handler)


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
    part, name = (
        (observers, "subscribe") if "after" in moment else (observers._store.journal, "head")
    )
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
    assert observers._subscriptions == []
    assert observers._waiters == {}


def test_nobody_subscribes_to_a_file_that_was_closed(make_queue: MakeQueue) -> None:
    queue = make_queue()
    queue.counts()
    observers = life_of(queue).open().observers
    observers.close()  # as the last close does, before it closes the file
    with pytest.raises(QueueClosed):
        observers.subscribe(print)
    queue.stop()


def test_a_log_handler_cannot_stop_a_queue_from_a_line_of_its_worker(
    make_queue: MakeQueue, add_log_handler: AddLogHandler
) -> None:
    """The line that a run was taken from its worker, which is told outside of any handler."""
    told = Seen()

    def handler(queue: QueueService, item: Any) -> Any:
        if item == "first" and queue.current_job.run.starts == 1:
            engine = life_of(queue).open()
            assert engine.owner is not None
            engine.store.finish(engine.owner, [Outcome(queue.current_job.run, "release")])
        return item

    def stop(record: LogRecord) -> None:
        if "was taken from this process" in record.getMessage():
            try:
                queue.stop()
            except QueueError as error:
                told(error)

    queue = make_queue(handler, worker_count=1).start()
    add_log_handler(stop)
    finished(queue, queue.enqueue("first"))
    (refusal,) = told.wait_for(len)
    assert isinstance(refusal, StopInsideHandler)
    assert "by a log handler in one of its workers" in str(refusal)
    assert [job.result for job in finished(queue, queue.enqueue("next"))] == ["next"]


@pytest.mark.parametrize("whose", ["log", "subscriber"])
def test_a_log_handler_may_stop_a_queue_from_the_line_of_another_thread(
    make_queue: MakeQueue,
    add_log_handler: AddLogHandler,
    whose: str,
) -> None:
    stopped = Event()

    def stop(record: LogRecord) -> None:
        if "of another thread" in record.getMessage() or "a subscriber raised" in record.msg:
            queue.stop()
            stopped.set()

    queue = make_queue().start()
    add_log_handler(stop)
    if whose == "log":
        Log("sprag.queue").error("a line of another thread")
    else:
        queue.subscribe(lambda signal: 1 / 0)
        queue.enqueue(1)
    wait(stopped)
    assert life_of(queue).pool is None


def test_a_handler_that_stops_its_queue_while_that_starts_is_told(make_queue: MakeQueue) -> None:
    told = Seen()

    def handler(queue: QueueService, item: Any) -> None:
        try:
            queue.stop()
        except BaseException as error:
            told(error)
            raise

    queue = make_queue(handler, worker_count=300)
    queue.enqueue(1)  # the first of the workers has it long before the last one runs
    queue.start()
    (refusal,) = told.wait_for(len)
    assert isinstance(refusal, StopInsideHandler)
