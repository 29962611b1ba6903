"""What editors and type checkers know of tasks.

mypy, which checks the tests, would find an ignore needless that no mistake stands behind.
"""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

import pytest

from sprag.queue import ArgumentError, Job, QueueService, TaskCall, task
from tests.support import DEADLINE


class Mail(QueueService):
    name = "mail"
    worker_count = 1

    @task
    def welcome(self, user_id: int) -> str:
        return f"welcome {user_id}"

    @task(max_attempts=5, label="receipt")
    async def receipt(self, order_id: int, lang: str = "en") -> list[int]:
        return [order_id, len(lang)]


@pytest.fixture
def mail(database: Path) -> Mail:
    return Mail(database=database)


def test_a_checker_sees_arguments_that_do_not_fit(mail: Mail) -> None:
    with pytest.raises(ArgumentError):
        mail.welcome.enqueue(usr_id=7)  # type: ignore[call-arg]
    with pytest.raises(ArgumentError):
        mail.receipt.enqueue()  # type: ignore[call-arg]
    with pytest.raises(ArgumentError):
        mail.receipt.using(delay=60).enqueue(1, "de", 3)  # type: ignore[call-arg]
    with pytest.raises(ArgumentError):
        mail.welcome.enqueue_many([mail.welcome.args(user=7)])  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        mail.welcome(usr_id=7)  # type: ignore[call-arg]


def test_a_checker_sees_arguments_of_a_wrong_type(mail: Mail) -> None:
    mail.welcome.enqueue("7")  # type: ignore[arg-type]
    mail.receipt.enqueue(42, lang=3)  # type: ignore[arg-type]
    mail.stop()


def test_a_checker_sees_options_that_there_are_not(mail: Mail) -> None:
    with pytest.raises(Exception, match=r"using\(\) has no option 'prio'"):
        mail.welcome.using(prio=3).enqueue(7)  # type: ignore[call-arg]
    with pytest.raises(Exception, match="@task has no option 'retries'"):
        task(retries=3)  # type: ignore[call-overload]


def test_a_checker_knows_what_a_task_returns(mail: Mail) -> None:
    with mail:
        job = mail.welcome.enqueue(user_id=7)
        assert_type(job, Job)
        assert_type(mail.welcome.result(mail.wait(job.id, DEADLINE)), str | None)
        assert_type(mail.receipt.result(job), list[int] | None)
        assert_type(mail.welcome(7), str)
        assert_type(mail.welcome.args(7), TaskCall[[int]])  # type: ignore[assert-type]  # it also knows the name
