"""What log handlers and filters do costs their own line only."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sprag.queue import QueueError, QueueService, ReentrantCall
from sprag.queue.threads import logs
from sprag.queue.threads.inside import here
from sprag.queue.threads.logs import Log, settle
from tests.conftest import MakeQueue
from tests.support import DEADLINE, Seen, finished, unmeasured, wait, wait_until

LOGGER = logging.getLogger("sprag.queue")
PROGRAMS = Path(__file__).parent / "programs"


class Handler(logging.Handler):
    """A handler that does this with each line."""

    def __init__(self, does: Callable[[logging.LogRecord], Any]) -> None:
        super().__init__()
        self.does = does

    def emit(self, record: logging.LogRecord) -> None:
        self.does(record)


@pytest.fixture
def add() -> Iterator[Callable[[logging.Handler], None]]:
    """`add(handler)`: it has the queue's lines until the test ends."""
    added: list[logging.Handler] = []

    def add(handler: logging.Handler) -> None:
        LOGGER.addHandler(handler)
        added.append(handler)

    yield add
    settle(DEADLINE)
    for handler in added:
        LOGGER.removeHandler(handler)


Add = Callable[[logging.Handler], None]


def fails_once(queue: QueueService, item: Any) -> Any:
    if queue.current_job.attempt == 1:
        raise OSError("once more")
    return item


# ---------------------------------------------------------------- what they raise


@pytest.mark.parametrize(
    "error",
    [ConnectionError("down"), SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(),
     RecursionError(), MemoryError()],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
@pytest.mark.parametrize("place", ["handler", "filter of the handler", "filter of the logger"])
def test_what_a_log_handler_raises_costs_no_retry_no_worker_and_no_delayed_job(
    make_queue: MakeQueue, add: Add, place: str, error: BaseException
) -> None:
    def raises(_record: logging.LogRecord) -> bool:
        raise error

    heard = Seen()
    handler = Handler(raises if place == "handler" else lambda record: True)
    if place == "filter of the handler":
        handler.addFilter(raises)
    add(handler)
    add(Handler(heard))
    if place == "filter of the logger":
        LOGGER.addFilter(raises)
    try:
        queue = make_queue(fails_once, worker_count=1, max_attempts=3, backoff=0.01).start()
        jobs = [queue.enqueue(1), queue.enqueue(2, delay=0.1)]
        done = finished(queue, *jobs)
    finally:
        LOGGER.removeFilter(raises)
    assert [(job.status, job.attempt) for job in done] == [("completed", 2)] * 2
    if place != "filter of the logger":
        said = heard.wait_for(lambda lines: len(lines) == 2)
        assert all("is tried again" in record.getMessage() for record in said)


def test_a_record_that_cannot_be_made_costs_nothing_else(make_queue: MakeQueue) -> None:
    def factory(*_args: Any, **_options: Any) -> logging.LogRecord:
        raise SystemExit

    before = logging.getLogRecordFactory()
    logging.setLogRecordFactory(factory)
    try:
        queue = make_queue(fails_once, max_attempts=2, backoff=0).start()
        (job,) = finished(queue, queue.enqueue(1))
    finally:
        logging.setLogRecordFactory(before)
    assert (job.status, job.attempt) == ("completed", 2)


class Unspeakable(Exception):
    """Cannot be shown in any way."""

    def __str__(self) -> str:
        raise SystemExit

    __repr__ = __str__


@pytest.mark.parametrize("attempts", [1, 2])
def test_an_exception_that_cannot_be_shown_ends_its_attempt_as_any_other(
    make_queue: MakeQueue, attempts: int
) -> None:
    def handler(queue: QueueService, item: Any) -> Any:
        if queue.current_job.attempt == 1:
            raise Unspeakable
        return item

    queue = make_queue(handler, worker_count=1, max_attempts=attempts, backoff=0).start()
    (job,) = finished(queue, queue.enqueue(1))
    assert job.status == ("failed" if attempts == 1 else "completed")
    assert queue.history(job.id)[2].event == ("fail" if attempts == 1 else "retry")


def test_what_went_wrong_in_a_handler_is_said_on_stderr(
    add: Add, capsys: pytest.CaptureFixture[str]
) -> None:
    def raises(_record: logging.LogRecord) -> None:
        raise ConnectionError("the chat is down")

    add(Handler(raises))
    Log("sprag.queue").error("a line of %d", 7)
    settle(DEADLINE)
    told = capsys.readouterr().err
    assert "a log handler or filter failed with a line of sprag.queue" in told
    assert "ConnectionError: the chat is down" in told
    assert "The line: 'a line of %d'" in told


def test_a_line_keeps_its_time_its_thread_and_its_place(add: Add) -> None:
    records = Seen()
    add(Handler(records))
    Log("sprag.queue").error("here")
    (record,) = records.wait_for(len)
    assert (record.threadName, record.thread) == ("MainThread", threading.get_ident())
    assert record.filename == "test_logs.py"
    assert record.funcName == "test_a_line_keeps_its_time_its_thread_and_its_place"
    assert abs(record.created % 1 * 1000 - record.msecs) < 1


def test_lines_that_nobody_wants_are_not_made(add: Add) -> None:
    records = Seen()
    add(Handler(records))
    Log("sprag.queue").debug("a secret")
    Log("sprag.queue").error("told")
    settle(DEADLINE)
    assert [record.getMessage() for record in records.all] == ["told"]


# ---------------------------------------------------------------- what they call


def test_a_log_handler_may_enqueue_into_the_queue_whose_line_it_has(
    make_queue: MakeQueue, add: Add
) -> None:
    def handler(queue: QueueService, item: Any) -> Any:
        if item == "fails" and queue.current_job.attempt == 1:
            raise OSError
        return item

    queue = make_queue(handler, worker_count=1, max_attempts=2, backoff=0.01).start()
    reported: list[str] = []

    def report(record: logging.LogRecord) -> None:
        if str(record.threadName).startswith("sprag-work"):
            reported.append(queue.enqueue(record.getMessage()).id)

    add(Handler(report))
    finished(queue, queue.enqueue("fails"))
    assert "is tried again" in finished(queue, *reported)[0].item


def test_a_line_that_is_written_inside_waits_for_no_handler(add: Add) -> None:
    begun, go = threading.Event(), threading.Event()

    def blocks(_record: logging.LogRecord) -> None:
        begun.set()
        wait(go)

    add(Handler(blocks))
    with here.inside:
        Log("sprag.queue").error("first")
        Log("sprag.queue").error("second")
    wait(begun)
    go.set()


def test_a_handler_of_a_line_from_inside_is_not_inside_itself(
    make_queue: MakeQueue, add: Add
) -> None:
    queue = make_queue()
    ends: list[Any] = []

    def enqueue(_record: logging.LogRecord) -> None:
        try:
            ends.append(queue.enqueue(1).status)
        except QueueError as error:
            ends.append(error)

    add(Handler(enqueue))
    with here.inside:
        Log("sprag.queue").error("from inside")
        with pytest.raises(ReentrantCall):
            queue.enqueue(2)
    settle(DEADLINE)
    assert ends == ["queued"]


def test_a_log_handler_that_stops_the_queue_does_not_wait_for_itself(
    make_queue: MakeQueue, add: Add
) -> None:
    queue = make_queue().start()
    stopped = threading.Event()

    def stop(_record: logging.LogRecord) -> None:
        queue.stop()
        stopped.set()

    add(Handler(stop))
    Log("sprag.queue").error("stop!")
    wait(stopped)


# ---------------------------------------------------------------- how long they take


def test_a_log_handler_that_blocks_keeps_no_keeper_from_its_work(
    make_queue: MakeQueue, add: Add, database: Path
) -> None:
    """The keeper says that a process has died, and nobody takes its line."""
    begun, go = threading.Event(), threading.Event()

    def blocks(record: logging.LogRecord) -> None:
        if "died" in record.getMessage():
            begun.set()
            wait(go)

    queue = make_queue(worker_count=1).start()
    add(Handler(blocks))
    command = [sys.executable, str(PROGRAMS / "dies_with_a_job.py"), str(database)]
    died = subprocess.run(command, env=unmeasured(), timeout=DEADLINE, check=False)
    assert died.returncode == 9
    wait(begun)
    finished(queue, queue.enqueue("later", delay=0.1))
    go.set()


def test_lines_that_cannot_be_written_are_counted(
    add: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "_MOST_WAITING", 3)
    begun, go, records = threading.Event(), threading.Event(), Seen()

    def blocks(record: logging.LogRecord) -> None:
        begun.set()
        wait(go)
        records(record.getMessage())

    add(Handler(blocks))
    log = Log("sprag.queue")
    log.error("first")
    wait(begun)
    for n in range(10):
        log.error("%d", n)
    go.set()
    assert records.wait_for(lambda lines: len(lines) == 5) == [
        "first", "7 lines were left out because a log handler did not return", "0", "1", "2",
    ]  # fmt: skip


def test_the_thread_that_writes_ends_once_there_is_nothing_to_write(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logs, "_IDLE_SECONDS", 0.01)
    Log("sprag.queue").error("a line")
    wait_until(lambda: all(t.name != "sprag-log" for t in threading.enumerate()))


# ---------------------------------------------------------------- the ends of a process


def ran(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(PROGRAMS / program), *arguments]
    return subprocess.run(
        command, env=unmeasured(), capture_output=True, text=True, timeout=DEADLINE, check=False
    )


def test_lines_are_written_at_the_exit_too() -> None:
    done = ran("logs_at_the_exit.py")
    assert done.returncode == 0, done.stderr
    assert "before the end" in done.stderr
    assert "at the very end" in done.stderr


def test_ctrl_c_in_a_log_handler_of_the_main_thread_is_not_swallowed() -> None:
    done = ran("ctrl_c_in_a_log_handler.py")
    assert done.stdout == "KeyboardInterrupt\n", done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_writes_its_own_lines() -> None:
    done = ran("logs_after_fork.py")
    assert done.stdout.splitlines() == ["child", "parent"], done.stderr
