"""Methods whose calls are jobs: what `@task` makes of them, and what runs them."""

from __future__ import annotations

import asyncio
import enum
import inspect
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sprag.queue import (
    ArgumentError,
    Backoff,
    ConfigurationError,
    JobExists,
    PayloadError,
    QueueService,
    Task,
    new_job_id,
    task,
)
from sprag.queue.service import life_of
from tests.support import DEADLINE, finished, sql


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Receipt:
    order_id: int
    color: Color = Color.RED


class Mail(QueueService):
    name = "mail"
    worker_count = 2

    @task
    def welcome(self, user_id: int, *, color: Color = Color.RED) -> str:
        """Say hello."""
        return f"welcome {user_id} in {color.name}"

    @task(max_attempts=5, backoff=0, priority=3, label="a receipt", max_crashes=2)
    async def receipt(self, order_id: int, lang: str = "en") -> Receipt:
        await asyncio.sleep(0)
        if self.current_job.attempt < 2:
            raise ConnectionError(lang)
        return Receipt(order_id=order_id, color=Color.BLUE)

    @task(name="old-name")
    def renamed(self) -> tuple[str, str | None]:
        return self.current_job.queue, self.current_job.task


class Both(Mail):
    name = "both"

    def handle_item(self, item: Any) -> Any:
        return item, self.current_job.task


@pytest.fixture
def mail(database: Path) -> Iterator[Mail]:
    with Mail(database=database) as queue:
        yield queue


@pytest.fixture
def client(database: Path) -> Iterator[Mail]:
    queue = Mail(database=database)
    yield queue
    queue.stop()


# ---------------------------------------------------------------- running


def test_a_task_runs_with_its_arguments_in_a_worker(mail: Mail) -> None:
    jobs = [
        mail.welcome.enqueue(7),
        mail.welcome.enqueue(user_id=8, color=Color.BLUE),
        mail.renamed.enqueue(),
    ]
    assert [job.task for job in jobs] == ["welcome", "welcome", "old-name"]
    assert [job.result for job in finished(mail, *jobs)] == [
        "welcome 7 in RED", "welcome 8 in BLUE", ("mail", "old-name"),
    ]  # fmt: skip
    assert [job.task for job in mail.jobs()] == ["old-name", "welcome", "welcome"]


def test_an_async_task_is_tried_as_its_options_say_and_its_result_is_made_again(mail: Mail) -> None:
    enqueued = mail.receipt.enqueue(42, lang="de")
    assert mail.receipt.result(enqueued) is None
    (job,) = finished(mail, enqueued)
    assert (job.status, job.attempt, job.max_attempts) == ("completed", 2, 5)
    assert job.result == {"order_id": 42, "color": "blue"}
    assert mail.receipt.result(job) == Receipt(order_id=42, color=Color.BLUE)
    (failed,) = [move for move in mail.history(job.id) if move.error is not None]
    assert failed.error is not None
    assert (failed.error.type, failed.error.message) == ("ConnectionError", "de")


def test_a_call_runs_the_method_here_and_now(client: Mail) -> None:
    assert client.welcome(7) == "welcome 7 in RED"
    assert Mail.welcome(client, 7) == "welcome 7 in RED"
    made = client.receipt(7)
    assert inspect.iscoroutine(made)
    made.close()
    assert client.counts()["queued"] == 0


def test_handle_item_runs_what_belongs_to_no_task(database: Path) -> None:
    with Both(database=database) as queue:
        jobs = [queue.enqueue({"x": 1}), queue.welcome.enqueue(3)]
        assert [job.result for job in finished(queue, *jobs)] == [
            ({"x": 1}, None), "welcome 3 in RED",
        ]  # fmt: skip
        assert [job.task for job in jobs] == [None, "welcome"]


def test_a_class_with_tasks_alone_refuses_other_items(client: Mail) -> None:
    for enqueue in (
        lambda: client.enqueue({"user_id": 3}),
        lambda: client.enqueue_many([1, 2]),
        lambda: asyncio.run(client.aenqueue(1)),
    ):
        with pytest.raises(ConfigurationError, match="queue 'mail' has tasks and no handle_item"):
            enqueue()
    with pytest.raises(ConfigurationError, match=r"one of its tasks \(welcome, receipt, renamed\)"):
        client.enqueue(1)


def test_a_task_keeps_no_other_job_waiting_that_its_class_does_not_run(database: Path) -> None:
    """Jobs of other kinds are left for processes that know them, and cost no attempt."""
    producer = QueueService(name="mail", database=database)
    left = producer.enqueue("no task", priority=9)
    sql(database, "INSERT INTO job (queue, task, item, priority) VALUES ('mail', 'new', '{}', 9)")
    with Mail(database=database) as queue:
        finished(queue, queue.welcome.enqueue(1))
        assert queue.counts()["queued"] == 2
        assert queue.get(left.id).attempt == 0
    with _plain(database) as other:
        finished(other, left)
        assert other.counts()["queued"] == 1
    producer.stop()


def _plain(database: Path) -> QueueService:
    class Plain(QueueService):
        name = "mail"

        def handle_item(self, item: Any) -> Any:
            return item

    return Plain(database=database)


def test_jobs_of_all_tasks_start_by_priority_and_then_by_age(database: Path) -> None:
    ran: list[Any] = []

    class Work(QueueService):
        name = "work"
        worker_count = 1

        @task
        def one(self, number: int) -> None:
            ran.append(number)

        @task(priority=2)
        def two(self, number: int) -> None:
            ran.append(number)

        def handle_item(self, item: int) -> None:
            ran.append(item)

    queue = Work(database=database)
    jobs = [
        queue.one.enqueue(5), queue.enqueue(6), queue.two.enqueue(2),
        queue.one.using(priority=7).enqueue(1),
        queue.enqueue(4, priority=1), queue.two.enqueue(3), queue.one.enqueue(7),
    ]  # fmt: skip
    with queue:
        finished(queue, *jobs)
    assert ran == [1, 2, 3, 4, 5, 6, 7]


# ---------------------------------------------------------------- enqueuing


def test_options_come_from_the_call_then_the_task_then_the_queue(client: Mail) -> None:
    plain = client.receipt.enqueue(1)
    assert (plain.max_attempts, plain.priority, plain.label) == (5, 3, "a receipt")
    given = client.receipt.using(max_attempts=2, priority=-1, label=None, delay=60).enqueue(1)
    assert (given.max_attempts, given.priority, given.label) == (2, -1, None)
    assert given.due_at >= given.created_at + 50
    later = client.receipt.using(priority=1).using(label="mine").enqueue(1)
    assert (later.priority, later.label) == (1, "mine")
    assert client.welcome.enqueue(1).max_attempts == Mail.max_attempts == 1
    rows = sql(client.path, "SELECT task, max_crashes, backoff FROM job ORDER BY key")
    assert rows == [("receipt", 2, None)] * 3 + [("welcome", 3, None)]


def test_the_back_off_of_a_task_is_used_by_whoever_runs_it(database: Path) -> None:
    class Work(QueueService):
        name = "work"
        worker_count = 1
        backoff = 3600

        @task(max_attempts=2, backoff=Backoff(0))
        def fails(self) -> None:
            raise ValueError

    with Work(database=database) as queue:
        (job,) = finished(queue, queue.fails.enqueue())
        sql(database, "INSERT INTO job (queue, task, item, max_attempts) "
                      "VALUES ('work', 'fails', '{}', 2)")  # fmt: skip
        (other,) = finished(queue, queue.jobs(limit=1).jobs[0])
    assert [job.attempt, other.attempt] == [2, 2]


def test_many_calls_are_one_commit_and_all_or_none(client: Mail) -> None:
    jobs = client.welcome.using(label="all").enqueue_many(map(client.welcome.args, range(5)))
    assert [job.item for job in jobs] == [{"user_id": n} for n in range(5)]
    assert {(job.label, job.created_at) for job in jobs} == {("all", jobs[0].created_at)}
    calls = [client.welcome.args(1), client.welcome.args(2, color="green")]  # type: ignore[arg-type]
    with pytest.raises(PayloadError) as refusal:
        client.welcome.enqueue_many(calls)
    assert str(refusal.value).startswith("calls[1]: Mail.welcome: argument color: expected a Color")
    with pytest.raises(ConfigurationError, match=r"what welcome\.args\(…\) returns, got 3"):
        client.welcome.enqueue_many([3])  # type: ignore[list-item]
    with pytest.raises(ConfigurationError, match=r"got <TaskCall old-name \{\}>"):
        client.welcome.enqueue_many([client.renamed.args()])  # type: ignore[list-item]
    with pytest.raises(ConfigurationError, match="expected no job_id"):
        client.welcome.using(job_id=new_job_id()).enqueue_many([])
    assert client.counts()["queued"] == 5


def test_an_event_loop_enqueues_without_blocking(client: Mail) -> None:
    async def enqueue() -> list[str | None]:
        one = await client.welcome.using(label="a").aenqueue(user_id=1)
        more = await client.welcome.aenqueue_many([client.welcome.args(2)])
        return [job.label for job in (one, *more)]

    assert asyncio.run(enqueue()) == ["a", None]
    with pytest.raises(ArgumentError):
        asyncio.run(client.welcome.aenqueue())  # type: ignore[call-arg]


def test_a_call_that_is_repeated_with_its_id_is_stored_once(client: Mail) -> None:
    once = client.welcome.using(job_id=new_job_id())
    job = once.enqueue(1)
    again = once.enqueue(user_id=1)
    assert (again.id, again.existing) == (job.id, True)
    with pytest.raises(JobExists):
        once.enqueue(2)
    with pytest.raises(JobExists):  # the same item, of another task
        client.receipt.using(job_id=job.id).enqueue(1)
    assert client.counts()["queued"] == 1


def test_a_unique_key_is_made_of_the_arguments(client: Mail) -> None:
    unique = client.welcome.using(unique=lambda args: f"user {args['user_id']}")
    jobs = [unique.enqueue(1), unique.enqueue(user_id=1), unique.enqueue(2)]
    assert [job.unique for job in jobs] == ["user 1", "user 1", "user 2"]
    assert [job.existing for job in jobs] == [False, True, False]
    many = unique.enqueue_many(map(client.welcome.args, [2, 3]))
    assert [job.existing for job in many] == [True, False]
    assert client.welcome.using(unique="user 3").enqueue(9).id == many[1].id
    with pytest.raises(ConfigurationError, match="unique: expected a function"):
        client.welcome.using(unique="user 3").enqueue_many([])


def test_a_misspelt_argument_is_refused_where_it_is_enqueued(client: Mail, database: Path) -> None:
    with pytest.raises(ArgumentError, match=r"Mail\.welcome: .*'usr_id' \(did you mean 'user_id'"):
        client.welcome.enqueue(usr_id=3)  # type: ignore[call-arg]
    assert not database.exists()


# ---------------------------------------------------------------- what goes wrong in a worker


def test_another_program_enqueues_a_task_by_sql(mail: Mail, database: Path) -> None:
    sql(database, "INSERT INTO job (queue, task, item) "
                  """VALUES ('mail', 'welcome', '{"user_id": 7, "color": "blue"}')""")  # fmt: skip
    (job,) = finished(mail, mail.jobs(limit=1).jobs[0])
    assert job.result == "welcome 7 in BLUE"


def test_arguments_that_no_longer_fit_fail_the_attempt_with_the_signature(
    mail: Mail, database: Path
) -> None:
    sql(database, "INSERT INTO job (queue, task, item) VALUES ('mail', 'welcome', '{\"id\": 7}')")
    (job,) = finished(mail, mail.jobs(limit=1).jobs[0])
    assert job.error is not None
    assert job.error.type == "ArgumentError"
    problem = (
        "the item has the argument 'id', which it does not take. Expected welcome(user_id: int"
    )
    assert problem in job.error.message
    assert "signature/arguments.py" not in job.error.traceback


def test_a_result_that_cannot_be_stored_fails_the_job_at_once(database: Path) -> None:
    class Work(QueueService):
        name = "work"
        worker_count = 1
        max_attempts = 3

        @task
        def opaque(self) -> object:
            return object()

        @task
        def unawaited(self) -> Any:
            return Mail.receipt(self, 1)

        @task
        def other(self) -> Color:
            return 3  # type: ignore[return-value]

    with Work(database=database) as queue:
        jobs = finished(queue, queue.opaque.enqueue(), queue.other.enqueue())
        assert [(job.status, job.attempt) for job in jobs] == [("failed", 1), ("completed", 1)]
        assert jobs[0].error is not None
        assert "result is of type builtins.object" in jobs[0].error.message
        (unawaited,) = finished(queue, queue.unawaited.enqueue())
        assert unawaited.error is not None
        assert "expected unawaited itself to be an `async def`" in unawaited.error.message
        with pytest.raises(PayloadError, match="result: expected a Color"):
            queue.other.result(jobs[1])


def test_a_task_says_itself_what_is_worth_another_attempt(database: Path) -> None:
    class Work(QueueService):
        name = "work"
        max_attempts = 3
        backoff = 0
        fail_on = KeyError

        @task(retry_on=ConnectionError)
        def picky(self, known: bool) -> None:
            raise ConnectionError if known else ValueError

        @task(fail_on=ValueError)
        def soft(self, known: bool) -> None:
            raise KeyError if known else ValueError

        @task(time_limit=0.05, max_attempts=1)
        async def late(self) -> None:
            await asyncio.Event().wait()

        def handle_item(self, item: Any) -> None:
            raise KeyError

    with Work(database=database) as queue:
        jobs = finished(
            queue, queue.picky.enqueue(True), queue.picky.enqueue(False), queue.soft.enqueue(True),
            queue.soft.enqueue(False), queue.enqueue(1), queue.late.enqueue(),
        )  # fmt: skip
    assert [(job.attempt, job.status) for job in jobs] == [
        (3, "failed"), (1, "failed"), (3, "failed"), (1, "failed"), (1, "failed"), (1, "failed"),
    ]  # fmt: skip
    assert jobs[-1].error is not None
    assert jobs[-1].error.type == "JobTimeout"


def test_arguments_that_do_not_fit_are_tried_again_whatever_is_worth_it(database: Path) -> None:
    """Another process may have the class that they are for."""

    class Work(QueueService):
        name = "work"
        max_attempts = 2
        backoff = 0

        @task(retry_on=ConnectionError)
        def strict(self, number: int) -> None:
            raise NotImplementedError

    with Work(database=database) as queue:
        sql(database, "INSERT INTO job (queue, task, item, max_attempts) "
                      "VALUES ('work', 'strict', '{}', 2)")  # fmt: skip
        (job,) = finished(queue, queue.jobs(limit=1).jobs[0])
    assert (job.attempt, job.error and job.error.type) == (2, "ArgumentError")


def test_a_traceback_begins_with_the_task(database: Path) -> None:
    class Work(QueueService):
        name = "work"
        worker_count = 1

        @task
        def fails(self) -> None:
            raise ValueError("no")

        @task
        async def afails(self) -> None:
            raise ValueError("no")

    with Work(database=database) as queue:
        for job in finished(queue, queue.fails.enqueue(), queue.afails.enqueue()):
            assert job.error is not None
            frames = [line for line in job.error.traceback.splitlines() if "File " in line]
            assert [line.rpartition(" ")[2] for line in frames] == [job.task]


# ---------------------------------------------------------------- what a class may say


def test_a_subclass_may_replace_a_task_and_call_that_of_its_base(database: Path) -> None:
    class Louder(Mail):
        @task
        def welcome(self, user_id: int, *, color: Color = Color.RED) -> str:
            return super().welcome(user_id, color=color).upper()

    with Louder(database=database) as queue:
        (job,) = finished(queue, queue.welcome.enqueue(1))
    assert job.result == "WELCOME 1 IN RED"


class Mixin:
    @task
    def mixed(self, x: int) -> int:
        return x


def test_a_mixin_may_have_tasks(database: Path) -> None:
    class Work(Mixin, QueueService):
        name = "work"

    with Work(database=database) as queue:
        (job,) = finished(queue, queue.mixed.enqueue(4))
    assert job.result == 4
    with pytest.raises(ConfigurationError, match="mixed: its jobs need a QueueService, and Mixin"):
        Mixin().mixed.enqueue(1)


def _defined(**body: Any) -> type[QueueService]:
    return type("Work", (Mail,), {"name": "work", **body})


def _with_self(self: object) -> None:
    """A task's function."""


def _generator(self: object) -> Iterator[int]:
    yield 1


async def _async_generator(self: object) -> AsyncIterator[int]:
    yield 1


_task: Any = task


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: _task(3), "@task: expected a method, got 3"),
        (lambda: _task(staticmethod(_with_self)), "@task: expected a method, got <staticmethod"),
        (lambda: _task(Receipt), "@task: expected a method, got <class"),
        (lambda: _task(_generator), "@task: _generator is a generator, which would never run"),
        (lambda: _task(_async_generator), "@task: _async_generator is a generator"),
        (lambda: _task(lambda: 1), r"@task: .*<lambda> takes no `self`"),
        (lambda: _task(lambda *, self: 1), r"@task: .*> takes no `self`"),
        (lambda: _task(max_attempts=0), "max_attempts: expected an integer from 1 to"),
        (lambda: _task(backoff=-1), "backoff: expected"),
        (lambda: _task(max_crashes="3"), "max_crashes: expected an integer"),
        (lambda: _task(retry_on=3), "retry_on: expected"),
        (lambda: _task(time_limit=-1), "time_limit: expected"),
        (lambda: _task(priority=None), "priority: expected an integer"),
        (lambda: _task(label="a\nb"), "label: expected one line"),
        (lambda: _task(name="a b"), "name: expected at most 100 letters"),
        (lambda: _task(max_attemps=3), "@task has no option 'max_attemps': did you mean 'max_at"),
        (lambda: _defined(enqueue=_task(_with_self)), "'enqueue' is a method of every"),
        (lambda: _defined(worker_count=_task(_with_self)), "'worker_count' is an option of every"),
        (lambda: _defined(handle_item=_task(_with_self)), "handle_item runs the jobs that"),
        (lambda: _defined(welcome=_with_self), "Work.welcome hides the task of that name"),
        (lambda: _defined(welcome=None), "Work.welcome hides the task"),
        (lambda: _defined(again=_task(name="welcome")(_with_self)),
         r"Work\.(again|welcome) and \.(again|welcome) are both the task 'welcome'"),
    ],
)  # fmt: skip
def test_a_mistake_of_the_author_is_told_when_the_class_is_defined(make: Any, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        make()


def test_a_task_looks_like_its_method() -> None:
    assert Mail.welcome.__doc__ == "Say hello."
    assert list(inspect.signature(Mail.welcome.function).parameters) == ["self", "user_id", "color"]
    assert repr(Mail(name="m").welcome) == (
        "<task Mail.welcome(user_id: int, *, color: tests.queue.test_tasks.Color = "
        "<Color.RED: 'red'>) -> str of Mail>"
    )
    assert isinstance(Mail(name="m").welcome, Task)


def test_a_class_that_a_function_makes_twice_is_one_class(database: Path) -> None:
    def made(step: int) -> type[QueueService]:
        class Work(QueueService):
            name = "work"

            @task(backoff=Backoff(2))
            def add(self, x: int) -> int:
                return x + step

        return Work

    with made(1)(database=database):
        made(1)(database=database).start().stop()
        with pytest.raises(ConfigurationError, match=rf"{__file__}:\d+"):
            made(2)(database=database).start()


def test_an_option_that_only_a_task_reads_is_its_author_s_own() -> None:
    class Work(QueueService):
        name = "work"
        retries = 3

        @task
        def read(self) -> int:
            return self.retries

    assert Work().retries == 3


@dataclass
class WithFields(QueueService):
    name: str = "fields"
    size: int = 3

    @task
    def sized(self) -> int:
        return self.size


def test_a_queue_that_is_a_dataclass_has_tasks(database: Path) -> None:
    queue = WithFields(size=5)
    queue.place(database)
    with queue:
        (job,) = finished(queue, queue.sized.enqueue())
    assert job.result == 5


def test_a_queue_that_nobody_runs_is_told_of_tasks_too(
    database: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "sprag.queue")
    queue = Mail(database=database)
    queue.welcome.enqueue(1)
    queue.stop()
    (line,) = [r for r in caplog.records if "no process runs this queue" in r.getMessage()]
    assert line.levelname == "WARNING"


def test_threads_of_a_handler_get_its_handle(database: Path) -> None:
    class Work(QueueService):
        name = "work"

        @task
        def spawn(self) -> None:
            job = self.current_job
            thread = threading.Thread(target=job.report_progress, args=(1, 4))
            thread.start()
            thread.join(DEADLINE)

    with Work(database=database) as queue:
        (job,) = finished(queue, queue.spawn.enqueue())
        assert life_of(queue).runs.needs_task
    assert job.progress is not None
    assert job.progress.percent == 25
