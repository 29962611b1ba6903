"""One row that another program has spoilt must not keep the others."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import apsw
import pytest

from sprag.queue import DatabaseError, QueueService, task
from sprag.queue.operators import QueueFile
from sprag.queue.service import life_of
from tests.conftest import MakeQueue
from tests.support import DEADLINE, Gate, Seen, finished, raw, sql, wait_until

HUGE = 2**63 - 1
NOT_UTF8 = "CAST(x'22ff22' AS TEXT)"
DEEP = "printf('%.*c', 900, '[') || printf('%.*c', 900, ']')"
LONG = "'1' || printf('%.*c', 6000, '0')"


def spoil(database: Path, *statements: str) -> None:
    """Run these without the schema's triggers and checks, which are there again afterwards."""
    with raw(database) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        triggers = connection.execute(
            "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'"
        ).fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)
        for _, text in triggers:
            connection.execute(str(text))


def of(job: Any) -> str:
    return f"(SELECT key FROM job WHERE id = '{job.id}')"


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM journal WHERE job = {key}",
        f"UPDATE job SET attempt = {HUGE} WHERE key = {{key}}",
        f"UPDATE job SET starts = {HUGE} WHERE key = {{key}}",
        "UPDATE job SET id = CAST(x'ff' AS TEXT) WHERE key = {key}",
        "UPDATE journal SET move = 6 WHERE job = {key}",
        "UPDATE job SET newest = NULL WHERE key = {key}",
        "UPDATE job SET newest = 1 + (SELECT max(seq) FROM journal) WHERE key = {key}",
    ],
)
def test_a_job_that_cannot_be_started_keeps_no_other(
    make_queue: MakeQueue, database: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    queue = make_queue(worker_count=2)
    bad, *good = queue.enqueue_many(range(6), priority=5)
    spoil(database, damage.format(key=of(bad)))
    queue.start()
    assert {job.status for job in finished(queue, *good)} == {"completed"}
    # Workers that found nothing to do are woken by what comes.
    for _ in range(3):
        assert finished(queue, queue.enqueue("later"))[0].status == "completed"
    told = [record.getMessage() for record in caplog.records]
    assert sum("cannot be started and is passed over" in text for text in told) == 1
    assert queue.counts()["queued"] == 1


def test_a_job_that_is_mended_is_started(make_queue: MakeQueue, database: Path) -> None:
    queue = make_queue(worker_count=1)
    bad, good = queue.enqueue_many(["bad", "good"])
    spoil(database, f"UPDATE job SET attempt = {HUGE} WHERE key = {of(bad)}")
    queue.start()
    finished(queue, good)
    spoil(database, f"UPDATE job SET attempt = 0 WHERE key = {of(bad)}")
    queue.stop()
    queue.start()
    assert finished(queue, bad)[0].status == "completed"


@pytest.mark.parametrize("backoff", [NOT_UTF8, DEEP, LONG])
def test_a_back_off_that_cannot_be_read_is_the_queue_s_own(
    make_queue: MakeQueue, database: Path, backoff: str
) -> None:
    def handler(self: QueueService, item: Any) -> Any:
        if self.current_job.attempt == 1:
            raise ValueError
        return item

    with make_queue(handler, worker_count=1, backoff=0) as queue:
        sql(
            database,
            "INSERT INTO job (queue, item, max_attempts, backoff) "
            f"VALUES ('work', '1', 2, {backoff})",
        )
        id_ = sql(database, "SELECT id FROM job")[0][0]
        ended = finished(queue, id_)[0]
        assert (ended.status, ended.attempt) == ("completed", 2)


@pytest.mark.parametrize("error", [DEEP, LONG])
def test_an_error_that_python_cannot_read_hides_no_job(
    make_queue: MakeQueue, database: Path, error: str
) -> None:
    queue = make_queue()
    queue.enqueue("other")
    sql(database, f"INSERT INTO job (queue, item, error) VALUES ('work', '1', {error})")
    listed = list(queue.jobs())
    assert len(listed) == 2
    assert listed[0].error is not None
    assert listed[0].error.type == ""
    assert queue.history(listed[0].id)[0].error == listed[0].error


@pytest.mark.parametrize("column", ["audience", "error", "queue"])
def test_a_text_that_is_none_keeps_no_subscriber_from_what_follows(
    make_queue: MakeQueue, database: Path, column: str
) -> None:
    seen = Seen()
    queue = make_queue()
    queue.subscribe(seen)
    with raw(database) as connection:
        values = {"queue": "'work'", "item": "'1'", column: NOT_UTF8}
        connection.execute(
            f"INSERT INTO job ({', '.join(values)}) VALUES ({', '.join(values.values())})"
        )
    job = queue.enqueue("next")
    assert seen.wait_status(job.id, "queued")["seq"] == 2


def dead_owner(database: Path, *jobs: Any) -> None:
    """The jobs run in a process that died."""
    folder = database.with_name(f"{database.name}-sprag")
    folder.mkdir(exist_ok=True)
    (folder / f"{'a' * 32}.lock").touch()
    with raw(database) as connection:
        connection.execute(
            "INSERT INTO owner (id, token, pid, host, started_at) VALUES (7, ?, 1, ?, 0)",
            ("a" * 32, socket.gethostname()),
        )
        for job in jobs:
            connection.execute(
                "UPDATE job SET status = 'running', event = 'start', attempt = attempt + 1, "
                "starts = starts + 1, owner = 7 WHERE id = ?",
                (job.id,),
            )


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM journal WHERE job = {key}",
        f"UPDATE job SET crashes = {HUGE} WHERE key = {{key}}",
    ],
)
def test_a_job_that_cannot_be_recovered_keeps_no_other(
    make_queue: MakeQueue, database: Path, damage: str
) -> None:
    queue = make_queue()
    bad, *good = queue.enqueue_many(range(4))
    dead_owner(database, bad, *good)
    spoil(database, damage.format(key=of(bad)))
    queue.start()
    assert {job.status for job in finished(queue, *good)} == {"completed"}
    assert queue.get(bad.id).status == "running"
    assert sql(database, "SELECT count(*) FROM owner WHERE id = 7") == [(0,)]


@pytest.mark.parametrize("previous", ["seq", "seq + 1", "(SELECT max(seq) FROM journal)"])
def test_moves_that_lead_back_in_a_circle_keep_nobody_on_it(
    make_queue: MakeQueue, database: Path, previous: str
) -> None:
    queue = make_queue().start()
    bad, good = finished(queue, *queue.enqueue_many([1, 2]))
    queue.stop()
    spoil(database, f"UPDATE journal SET previous = {previous} WHERE job = {of(bad)}")
    assert [move.event for move in queue.history(bad.id)] == ["complete"]
    assert len(queue.history(good.id)) == 3
    finished(queue.start(), queue.enqueue(3))
    assert queue.prune(older_than=0) == 2
    assert queue.jobs().jobs[-1].item == 3


def test_an_outcome_that_cannot_be_stored_keeps_no_worker(
    make_queue: MakeQueue, database: Path
) -> None:
    gate = Gate()

    def handler(self: QueueService, item: Any) -> Any:
        if item == "bad":
            gate.hold()
        return item

    queue = make_queue(handler, worker_count=1).start()
    bad = queue.enqueue("bad")
    gate.wait_held()
    spoil(database, f"DELETE FROM journal WHERE job = {of(bad)}")
    gate.open()
    assert finished(queue, queue.enqueue("good"))[0].status == "completed"
    assert queue.get(bad.id).status == "running"


def test_progress_that_cannot_be_stored_takes_no_result_along(
    make_queue: MakeQueue, database: Path
) -> None:
    def handler(self: QueueService, item: Any) -> Any:
        self.report_progress(1, 2)
        return item

    queue = make_queue(handler, worker_count=1)
    job = queue.enqueue("kept")
    sql(database, f"UPDATE counter SET tick = {HUGE}")
    queue.start()
    ended = queue.wait(job.id, DEADLINE)
    assert (ended.status, ended.result) == ("completed", "kept")


def test_a_row_that_is_none_of_the_schema_s_is_told_as_damage(
    make_queue: MakeQueue, database: Path
) -> None:
    queue = make_queue()
    good, bad = queue.enqueue_many(["good", "bad"])
    queue.stop()
    with raw(database) as connection:
        strict = sql(database, "SELECT sql FROM sqlite_schema WHERE name = 'job'")[0][0]
        for text in (strict.replace("STRICT", ""), strict):
            connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 0)
            version = connection.execute("PRAGMA schema_version").get
            connection.execute("PRAGMA writable_schema = ON")
            connection.execute("UPDATE sqlite_schema SET sql = ? WHERE name = 'job'", (text,))
            connection.execute(
                f"PRAGMA schema_version = {version + 1}; PRAGMA writable_schema = RESET"
            )
            if text != strict:
                connection.execute(f"UPDATE job SET label = x'ff' WHERE key = {of(bad)}")
    assert queue.get(good.id).item == "good"
    with pytest.raises(DatabaseError, match="damaged"):
        queue.get(bad.id)


@pytest.mark.parametrize(
    "token", ["'../../precious'", "'a' || char(0)", "''", "printf('%.*c', 5000, 't')"]
)
def test_a_token_that_is_none_leads_nowhere(
    make_queue: MakeQueue, database: Path, token: str
) -> None:
    precious = database.parent.parent / "precious.lock"
    precious.touch()
    queue = make_queue()
    job = queue.enqueue(1)
    dead_owner(database)
    sql(database, f"UPDATE owner SET token = {token}")
    queue.start()
    finished(queue, job)
    assert precious.exists()
    precious.unlink()


@pytest.mark.parametrize("name", ["lock", "reserve"])
@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_file_beside_the_database_keeps_nobody(
    make_queue: MakeQueue, database: Path, name: str, kind: str
) -> None:
    queue = make_queue()
    jobs = queue.enqueue_many(range(3))
    dead_owner(database)
    folder = database.with_name(f"{database.name}-sprag")
    path = folder / ("reserve" if name == "reserve" else f"{'a' * 32}.lock")
    path.unlink(missing_ok=True)
    make_other(path, kind)
    queue.start()
    assert {job.status for job in finished(queue, *jobs)} == {"completed"}
    assert finished(queue, queue.enqueue("later"))[0].status == "completed"


def make_other(path: Path, kind: str) -> None:
    path.mkdir() if kind == "folder" else os.mkfifo(path)


class Tasks(QueueService):
    name = "tasks"
    worker_count = 2

    @task
    def double(self, number: int) -> int:
        return 2 * number

    def handle_item(self, number: int) -> int:
        return number


@pytest.mark.parametrize("damage", ["DELETE FROM journal WHERE job = {key}",
                                    "UPDATE job SET newest = NULL WHERE key = {key}"])  # fmt: skip
def test_a_job_of_a_task_that_cannot_be_started_keeps_no_other(database: Path, damage: str) -> None:
    queue = Tasks(database=database)
    bad, *good = queue.double.using(priority=5).enqueue_many(map(queue.double.args, range(6)))
    sql(database, "INSERT INTO job (queue, task, item) VALUES ('tasks', 'unknown', '{}')")
    spoil(database, damage.format(key=of(bad)))
    plain = queue.enqueue(7)
    with queue:
        assert [job.result for job in finished(queue, *good, plain)] == [2, 4, 6, 8, 10, 7]
        assert queue.counts()["queued"] == 2


def test_what_other_programs_say_of_tasks_keeps_nobody_from_looking(database: Path) -> None:
    with Tasks(database=database) as queue:
        file = QueueFile(life_of(queue).open())
        wait_until(lambda: any(process.tasks for process in file.processes()))
        known = [None, "double"]
        assert [process.tasks for process in file.processes()] == [{"tasks": known}]
        spoil(
            database,
            "INSERT INTO owner (token, pid, host, started_at, tasks) "
            """VALUES ('t', 1, 'h', 0, '{"tasks": 3, "x": [4, {}], "y": null}')""",
            f"INSERT INTO job (queue, task, item) VALUES ('tasks', {NOT_UTF8}, '{{}}')",
        )
        assert file.unknown_tasks() == {"tasks": {'"\ufffd"': 1}}
        assert not file.is_unknown("tasks", "double")
        (job,) = finished(queue, queue.double.enqueue(4))
        assert job.result == 8
