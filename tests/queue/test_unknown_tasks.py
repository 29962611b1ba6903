"""Jobs of a task that a process does not know wait for one that does, and are spoken of."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from sprag.queue import Job, QueueService, WaitTimeout, task
from sprag.queue.operators import QueueFile, waiting_for, words_of_task
from sprag.queue.service import life_of
from sprag.queue.work.attendance import MOST
from tests.support import DEADLINE, child, finished, raw, sql, wait_until

PROGRAM = Path(__file__).with_name("programs") / "knows_tasks.py"


class Mail(QueueService):
    """Has all tasks, and enqueues."""

    name = "mail"

    @task
    def old(self, number: int) -> list[Any]:
        return ["here", number]

    @task
    def new(self, number: int) -> list[Any]:
        return ["here", number]

    def handle_item(self, number: int) -> list[Any]:
        return ["here", number]


def running(stack: ExitStack, database: Path, *names: str) -> tuple[Any, int]:
    """A process that runs these tasks, and its pid."""
    process = stack.enter_context(child(PROGRAM, database, *names))
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def stopped(process: Any) -> None:
    process.stdin.close()
    assert process.wait(DEADLINE) == 0


def file_of(queue: QueueService) -> QueueFile:
    return QueueFile(life_of(queue).open())


@pytest.fixture
def mail(database: Path) -> Any:
    queue = Mail(database=database)
    yield queue
    queue.stop()


def test_each_process_runs_the_jobs_whose_task_it_knows(mail: Mail, database: Path) -> None:
    with ExitStack() as stack:
        pids = {
            names: running(stack, database, *names)[1]
            for names in (("old",), ("old", "new"), ("-",))
        }
        jobs: dict[str | None, list[Job]] = {
            "old": mail.old.enqueue_many(map(mail.old.args, range(40))),
            "new": mail.new.enqueue_many(map(mail.new.args, range(40))),
            None: mail.enqueue_many({"number": n} for n in range(40)),
        }
        ran = {name: {tuple(job.result[:2]) for job in finished(mail, *of)}
               for name, of in jobs.items() if name is not None}  # fmt: skip
        assert {pid for pid, _task in ran["new"]} == {pids["old", "new"]}
        assert {pid for pid, _task in ran["old"]} <= {pids["old",], pids["old", "new"]}
        assert {name for _pid, name in ran["old"] | ran["new"]} == {"old", "new"}
        plain = finished(mail, *jobs[None])
        assert {(job.result[0], job.result[1]) for job in plain} == {(pids["-",], None)}
        assert all(job.attempt == 1 for of in jobs.values() for job in finished(mail, *of))


def test_a_new_task_waits_through_a_deploy_and_costs_no_attempt(mail: Mail, database: Path) -> None:
    with ExitStack() as stack:
        file = file_of(mail)
        older, _ = running(stack, database, "old")
        wait_until(lambda: [list(p.tasks.values()) for p in file.processes()] == [[["old"]]])
        job = mail.new.using(max_attempts=1).enqueue(7)
        finished(mail, *mail.old.enqueue_many(map(mail.old.args, range(20))))
        assert (mail.get(job.id).status, mail.get(job.id).attempt) == ("queued", 0)
        assert len(mail.history(job.id)) == 1
        assert file.unknown_tasks() == {"mail": {"new": 1}}
        assert file.is_unknown("mail", "new")
        assert not file.is_unknown("mail", "old")
        assert file.is_unknown("mail", None)
        assert file.unattended() == {}
        with pytest.raises(WaitTimeout, match="still queued after 0 s: no process here knows task"):
            mail.wait(job.id, 0)
        _newer, pid = running(stack, database, "old", "new")
        (done,) = finished(mail, job)
        assert (done.result, done.attempt) == ([pid, "new", 7], 1)
        wait_until(lambda: file.unknown_tasks() == {})
        stopped(older)


def test_a_queue_that_nobody_runs_has_no_unknown_tasks(mail: Mail) -> None:
    mail.new.enqueue(1)
    file = file_of(mail)
    assert file.unknown_tasks() == {}
    assert not file.is_unknown("mail", "new")
    assert file.unattended() == {"mail": 1}


def test_jobs_without_a_task_wait_for_a_handle_item(mail: Mail, database: Path) -> None:
    with ExitStack() as stack:
        running(stack, database, "old")
        file = file_of(mail)
        wait_until(lambda: [p.tasks for p in file.processes()] == [{"mail": ["old"]}])
        mail.enqueue(3)
        mail.enqueue(4, delay=3600)
        assert file.unknown_tasks(["mail", "other"]) == {"mail": {None: 1}}


def test_what_is_said_of_them_is_a_sentence() -> None:
    assert words_of_task("new") == "no process here knows task new"
    assert words_of_task(None) == "no process here runs jobs without a task"
    assert waiting_for("new", 1) == "1 job waits: no process here knows task new"
    assert waiting_for(None, MOST + 1) == (
        "more than 1,000 jobs wait: no process here runs jobs without a task"
    )


# ---------------------------------------------------------------- in any number


MANY = 100_000


@pytest.mark.parametrize("knows", [True, False], ids=["tasks", "no tasks"])
def test_a_claim_does_not_look_at_jobs_of_other_tasks_however_many(
    database: Path, knows: bool
) -> None:
    """Each claim would read all of them: with 100,000 that takes minutes for a thousand jobs."""

    class Plain(QueueService):
        name = "mail"

        def handle_item(self, number: int) -> int:
            return number

    class Knowing(QueueService):
        name = "mail"

        @task
        def mine(self, number: int) -> int:
            return number

    queue: QueueService = Knowing(database=database, durability="normal") if knows else Plain(
        database=database, durability="normal"
    )  # fmt: skip
    queue.counts()
    sql(database, "WITH RECURSIVE n (x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n WHERE x < ?) "
                  "INSERT INTO job (queue, task, item, priority) "
                  "SELECT 'mail', 'unknown' || x % 3, '{}', x % 5 FROM n", (MANY,))  # fmt: skip
    name = "mine" if knows else None
    item = "1" if name is None else '{"number": 1}'
    with raw(database) as connection, connection:
        for _ in range(300):
            connection.execute(
                "INSERT INTO job (queue, task, item) VALUES ('mail', ?, ?)", (name, item)
            )
    begun = time.process_time()
    with queue:
        wait_until(lambda: queue.counts()["completed"] == 300)
    assert queue.counts()["queued"] == MANY
    queue.stop()
    # As measured: 0.5 s, of which counting is a part. Reading all for each claim took 30 s.
    assert time.process_time() - begun < 15
