"""Which errors are worth another attempt, what a handler may say about it, and what is stored."""

from __future__ import annotations

import asyncio
import logging
import threading
from pathlib import Path
from typing import Any

import pytest

from sprag.queue import Backoff, ConfigurationError, Fail, Job, QueueService, Retry, task
from sprag.queue.work import execution
from sprag.queue.work.policy import Again, Policy
from tests.conftest import MakeQueue
from tests.support import Handler, finished, named, sql, wait

NOW = 1000.0
AGAIN = Again(None, counted=True, asked=False)


def group(*errors: BaseException) -> BaseExceptionGroup[BaseException]:
    return BaseExceptionGroup("several", errors)


@pytest.mark.parametrize(
    ("retry_on", "fail_on", "error", "tried_again"),
    [
        (None, (), ValueError(), True),
        (None, (), SystemExit(), True),
        (None, (ValueError,), ValueError(), False),
        (None, (ValueError,), UnicodeError(), False),  # a subclass
        (None, (ValueError,), KeyError(), True),
        ((OSError,), (), ConnectionError(), True),  # a subclass
        ((OSError,), (), ValueError(), False),
        ((OSError, ValueError), (), ValueError(), True),
        ((OSError,), (ConnectionError,), ConnectionError(), False),
        ((ConnectionError,), (OSError,), ConnectionError(), False),
        ((), (), ValueError(), False),
        ((BaseException,), (), SystemExit(), True),
        # All that is in a group must be worth it, however deep, and nothing in it may be final.
        ((OSError,), (), group(OSError(), ConnectionError()), True),
        ((OSError,), (), group(OSError(), group(ValueError())), False),
        (None, (ValueError,), group(OSError(), group(ValueError())), False),
        (None, (ValueError,), group(OSError(), group(KeyError())), True),
        ((BaseExceptionGroup,), (), group(ValueError()), True),  # named as such
        (None, (BaseExceptionGroup,), group(ValueError()), False),
    ],
    ids=named,
)
def test_retry_on_and_fail_on_decide(
    retry_on: Any, fail_on: Any, error: BaseException, tried_again: bool
) -> None:
    judged = Policy(Backoff(), retry_on, fail_on).judged(error, NOW, handled=True)
    assert judged == (AGAIN if tried_again else None)


@pytest.mark.parametrize(
    ("error", "judged"),
    [
        (Fail(), None),
        (Retry(), Again(None, counted=True, asked=True)),
        (Retry(after=5), Again(NOW + 5, counted=True, asked=True)),
        (Retry(counted=False), Again(None, counted=False, asked=True)),
        (group(Retry(after=5), Fail()), None),
        (group(Retry(after=5), Retry(after=9)), Again(NOW + 9, counted=True, asked=True)),
        (group(Retry(counted=False), Retry(at=1, counted=False)),
         Again(1, counted=False, asked=True)),
        (group(Retry(counted=False), Retry()), Again(None, counted=True, asked=True)),
        (group(Retry(after=5, counted=False), OSError()),
         Again(NOW + 5, counted=True, asked=True)),
        (group(Retry(after=5), ValueError()), None),
    ],
    ids=named,
)  # fmt: skip
def test_a_handler_s_own_word_comes_first(error: BaseException, judged: Again | None) -> None:
    policy = Policy(Backoff(), (OSError,), (Retry, ConnectionError))
    assert policy.judged(error, NOW, handled=True) == judged


def test_retry_on_says_nothing_of_an_item_that_cannot_be_read() -> None:
    policy = Policy(Backoff(), (OSError,), (KeyError,))
    assert policy.judged(ValueError(), NOW, handled=False) == AGAIN
    assert policy.judged(KeyError(), NOW, handled=False) is None


# ---------------------------------------------------------------- what a queue takes


@pytest.mark.parametrize("option", ["retry_on", "fail_on"])
@pytest.mark.parametrize("value", ["ValueError", ValueError(), [ValueError, 3], int, 3, {"a": 1}])
def test_what_is_no_exception_class_is_refused(option: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"{option}: expected an exception class"):
        type("Work", (QueueService,), {"name": "work", option: value})
    with pytest.raises(ConfigurationError, match=f"{option}: expected an exception class"):
        QueueService(name="work", **{option: value})


def test_one_class_and_several_are_taken() -> None:
    queue = QueueService(name="work", retry_on=OSError, fail_on=(KeyError, ValueError))
    assert (queue.retry_on, queue.fail_on) == (OSError, (KeyError, ValueError))
    with pytest.raises(ConfigurationError, match="did you mean 'retry_on'"):
        type("Work", (QueueService,), {"name": "work", "autoretry_for": None})


def test_retry_on_where_nothing_is_tried_again_is_told(
    make_queue: MakeQueue, caplog: pytest.LogCaptureFixture
) -> None:
    class Work(QueueService):
        name = "work"
        retry_on = OSError

        def handle_item(self, item: Any) -> None: ...

        @task(max_attempts=2)
        def often(self) -> None: ...

        @task
        def once(self) -> None: ...

    with make_queue(Work):
        assert "retry_on of queue 'work' changes nothing" in caplog.text
        assert "retry_on of task work.once changes nothing" in caplog.text
        assert "often" not in caplog.text
    caplog.clear()
    others: list[dict[str, Any]] = [{"max_attempts": 2}, {"retry_on": None}, {"retry_on": ()}]
    for options in others:
        with make_queue(**{"retry_on": OSError, **options}):
            assert "changes nothing" not in caplog.text


# ---------------------------------------------------------------- what becomes of jobs


@pytest.fixture(autouse=True)
def _no_least_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "_LEAST_SECONDS", 0.0)


def outcome(make_queue: MakeQueue, handler: Handler, **options: Any) -> tuple[Job, list[Any]]:
    """What becomes of a job that may be tried three times, and the errors of its history."""
    with make_queue(handler, **{"max_attempts": 3, "backoff": 0, **options}) as queue:
        [done] = finished(queue, queue.enqueue(1))
        moves = [(m.event, m.error and m.error.type) for m in queue.history(done.id)[2:]]
        return done, moves


def test_what_fail_on_names_fails_at_once(make_queue: MakeQueue) -> None:
    def handler(self: QueueService, item: Any) -> None:
        raise (OSError if self.current_job.attempt == 1 else KeyError)("told")

    done, moves = outcome(make_queue, handler, fail_on=LookupError)
    assert (done.status, done.attempt) == ("failed", 2)
    assert moves == [("retry", "OSError"), ("start", None), ("fail", "KeyError")]


def test_what_retry_on_does_not_name_fails_at_once(make_queue: MakeQueue) -> None:
    def handler(self: QueueService, item: Any) -> None:
        raise KeyError("told")

    done, moves = outcome(make_queue, handler, retry_on=OSError)
    assert (done.status, done.attempt, moves) == ("failed", 1, [("fail", "KeyError")])


def test_a_task_group_of_errors_worth_it_is_tried_again(make_queue: MakeQueue) -> None:
    async def fails() -> None:
        await asyncio.sleep(0)
        raise ConnectionError

    async def handler(self: QueueService, item: Any) -> str:
        if self.current_job.attempt == 1:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(fails())
                tasks.create_task(fails())
        return "second"

    done, moves = outcome(make_queue, handler, retry_on=ConnectionError)
    assert (done.result, moves[0]) == ("second", ("retry", "ExceptionGroup"))


def test_fail_ends_a_job_whatever_is_left(make_queue: MakeQueue) -> None:
    def handler(self: QueueService, item: Any) -> None:
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise Fail("no such user") from error

    done, moves = outcome(make_queue, handler, retry_on=Exception)
    assert (done.status, done.attempt, moves) == ("failed", 1, [("fail", "Fail")])
    assert done.error is not None
    assert done.error.message == "no such user"
    assert "KeyError: 'inner'" in done.error.traceback


def test_retry_has_its_own_wait_and_keeps_its_cause(make_queue: MakeQueue, database: Path) -> None:
    def handler(self: QueueService, item: Any) -> str:
        if self.current_job.attempt == 1:
            try:
                raise ConnectionError("refused")
            except ConnectionError as error:
                raise Retry(after=0) from error
        return "second"

    done, moves = outcome(make_queue, handler, backoff="1h", fail_on=Exception)
    assert (done.result, done.attempt, moves[0]) == ("second", 2, ("retry", "Retry"))
    [(error,)] = sql(database, "SELECT error FROM journal WHERE error IS NOT NULL")
    assert "ConnectionError: refused" in error
    assert "direct cause" in error


def test_retry_at_a_time_waits_until_then(make_queue: MakeQueue) -> None:
    started = threading.Event()

    def handler(self: QueueService, item: Any) -> None:
        started.set()
        raise Retry("later", at=4_000_000_000)

    with make_queue(handler, max_attempts=2) as queue:
        seen = threading.Event()
        queue.subscribe(lambda signal: seen.set() if signal["event"] == "retry" else None)
        job = queue.enqueue(1)
        wait(started)
        wait(seen)
        waiting = queue.get(job.id)
        assert (waiting.status, waiting.due_at) == ("queued", 4_000_000_000)
        assert waiting.error is not None
        assert waiting.error.message == "later"


def test_a_retry_without_an_attempt_left_fails_and_says_so(make_queue: MakeQueue) -> None:
    def handler(self: QueueService, item: Any) -> None:
        raise Retry("not yet")

    done, moves = outcome(make_queue, handler, max_attempts=1)
    assert (done.status, moves) == ("failed", [("fail", "Retry")])
    assert done.error is not None
    assert done.error.message == "not yet (no attempt is left for the Retry)"


def test_an_attempt_that_does_not_count_is_given_back_with_its_error(
    make_queue: MakeQueue, caplog: pytest.LogCaptureFixture
) -> None:
    def handler(self: QueueService, item: Any) -> int:
        if self.current_job.run.starts < 4:
            raise Retry("the service is down", counted=False)
        return self.current_job.attempt

    with caplog.at_level(logging.WARNING, "sprag.queue"):
        done, moves = outcome(make_queue, handler, max_attempts=1)
    assert (done.status, done.result, done.attempt, done.starts) == ("completed", 1, 1, 4)
    assert moves == [("release", "Retry"), ("start", None)] * 3 + [("complete", None)]
    assert "its attempt is not counted (starts so far: 3): Retry: the service is" in caplog.text


def test_the_worker_that_gave_an_attempt_back_goes_on(make_queue: MakeQueue) -> None:
    def handler(self: QueueService, item: Any) -> int:
        if item == "later":
            raise Retry(at=4_000_000_000, counted=False)
        return 1

    with make_queue(handler, worker_count=1) as queue:
        later, other = queue.enqueue_many(["later", "other"])
        assert finished(queue, other)[0].result == 1
        job = queue.get(later.id)
        assert (job.status, job.attempt, job.starts) == ("queued", 0, 1)


def test_the_wait_after_attempts_that_do_not_count_grows_with_the_starts(
    make_queue: MakeQueue,
) -> None:
    asked: list[int] = []

    class Counting(Backoff):
        def delay(self, attempt: int, noise: Any = None) -> float:
            asked.append(attempt)
            return 0.0

    def handler(self: QueueService, item: Any) -> None:
        if self.current_job.run.starts < 4:
            raise Retry(counted=False)

    outcome(make_queue, handler, backoff=Counting())
    assert asked == [1, 2, 3]


def test_an_attempt_that_does_not_count_waits_a_second_at_least(
    make_queue: MakeQueue, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "_LEAST_SECONDS", 1.0)

    def handler(self: QueueService, item: Any) -> None:
        raise Retry(after=0, counted=False)

    seen = threading.Event()
    with make_queue(handler) as queue:
        queue.subscribe(lambda signal: seen.set() if signal["event"] == "release" else None)
        queue.enqueue(1)
        wait(seen)
    statement = "SELECT due_at - at FROM transition WHERE event = 'release'"
    assert sql(database, statement)[0][0] > 0.9


def test_a_cancelled_job_is_not_given_back(make_queue: MakeQueue) -> None:
    def handler(self: QueueService, item: Any) -> None:
        self.cancel(self.current_job.id)
        raise Retry(counted=False)

    done, moves = outcome(make_queue, handler)
    assert (done.status, done.error) == ("cancelled", None)
    assert [event for event, _ in moves] == ["cancel", "confirm"]


def test_a_bad_argument_of_retry_is_the_attempt_s_error(make_queue: MakeQueue) -> None:
    def handler(self: QueueService, item: Any) -> None:
        raise Retry(after="soon")

    done, moves = outcome(make_queue, handler, max_attempts=1)
    assert (done.status, moves) == ("failed", [("fail", "ConfigurationError")])
