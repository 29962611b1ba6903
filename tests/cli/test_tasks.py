"""The tasks of jobs in the terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from sprag.queue import QueueService, task
from sprag.queue.service import life_of
from tests.cli.conftest import Sprag
from tests.support import finished, wait_until


class Mail(QueueService):
    name = "mail"
    worker_count = 1

    @task
    def welcome(self, user_id: int) -> str:
        return f"welcome {user_id}"

    @task
    def receipt(self, order_id: int) -> str:
        return f"receipt {order_id}"


@pytest.fixture
def mail(database: Path) -> Iterator[Mail]:
    with Mail(database=database) as queue:
        finished(queue, queue.welcome.enqueue(1), queue.receipt.using(label="the first").enqueue(2))
        yield queue


def test_jobs_are_listed_by_task(sprag: Sprag, mail: Mail) -> None:
    def items(*arguments: str) -> list[tuple[str, object]]:
        jobs = sprag("list", "--json", *arguments).document["jobs"]
        return [(job["task"], job["item"]) for job in jobs]

    welcome, receipt = ("welcome", {"user_id": 1}), ("receipt", {"order_id": 2})
    assert items() == [receipt, welcome]
    assert items("--task", "welcome") == [welcome]
    assert items("-t", "welcome", "-t", "receipt", "--status=completed") == [receipt, welcome]
    assert items("--task=none") == []
    out = sprag("list").out
    assert re.search(r"completed .* welcome \{\"user_id\": ?1\}", out)
    assert re.search(r"completed .* receipt the first", out)
    finished(mail, mail.receipt.using(label="receipt").enqueue(4))  # as a schedule's jobs are named
    assert "receipt receipt" not in sprag("list").out
    more = sprag("list", "-t", "welcome", "-n", "1")
    assert "more:" not in more.err
    mail.welcome.enqueue_many([mail.welcome.args(3)])
    assert "--task=welcome --limit=1 --after=" in sprag("list", "-t", "welcome", "-n1").err


def test_a_job_is_shown_with_its_task(sprag: Sprag, mail: Mail) -> None:
    job = mail.jobs(task="welcome").jobs[0]
    assert re.search(r"^task +welcome$", sprag("show", job.id).out, re.MULTILINE)
    shown = sprag("show", job.id, "--json").document["job"]
    assert (shown["task"], shown["unknown_task"]) == ("welcome", False)


def test_a_job_of_a_task_is_enqueued_with_its_arguments(sprag: Sprag, mail: Mail) -> None:
    id_ = sprag("enqueue", "mail", "--task=welcome", '{"user_id": 7}').out.strip()
    (job,) = finished(mail, id_)
    assert (job.task, job.result) == ("welcome", "welcome 7")
    lines = b'{"order_id": 1}\n{"order_id": 2}\n'
    done = sprag("enqueue", "mail", "-", "--lines", "--task", "receipt", "--json", stdin=lines)
    ids = [job["id"] for job in done.document["jobs"]]
    assert [job.result for job in finished(mail, *ids)] == ["receipt 1", "receipt 2"]
    again = sprag("enqueue", "mail", "--task=welcome", '{"user_id": 7}', "--id", id_)
    assert again.out.strip() == id_
    assert sprag("enqueue", "mail", "--task=receipt", '{"user_id": 7}', "--id", id_).code != 0


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--task=welcome", "[7]"), "expected ITEM to be an object with the task's arguments"),
        (("--task=a b", "{}"), "task: expected at most 100 letters"),
    ],
)
def test_what_no_task_can_take_is_refused(
    sprag: Sprag, arguments: tuple[str, ...], problem: str
) -> None:
    answer = sprag("enqueue", "mail", *arguments)
    assert answer.code == 2
    assert problem in answer.err


def test_a_task_that_no_process_knows_is_spoken_of(sprag: Sprag, mail: Mail) -> None:
    engine = life_of(mail).open()
    wait_until(lambda: any(owner.tasks for owner in engine.store.owners.all()))
    id_ = sprag("enqueue", "mail", "--task=new", "{}").out.strip()
    says = "no process here knows task new"
    listed = sprag("list", "--status=queued")
    assert f"mail: 1 job waits: {says}\n" in listed.err
    assert says in listed.out
    assert f"{says}; it waits for one that does" in " ".join(sprag("show", id_).out.split())
    assert sprag("show", id_, "--json").document["job"]["unknown_task"] is True
    checked = sprag("check")
    assert checked.code == 0
    assert f"mail: 1 job waits: {says}" in checked.out
    assert sprag("check", "--json").document["unknown_tasks"] == [
        {"queue": "mail", "task": "new", "jobs": 1}
    ]
    sprag("enqueue", "mail", "1")
    assert "1 job waits: no process here runs jobs without a task" in sprag("list").err
