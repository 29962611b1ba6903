from __future__ import annotations

from pathlib import Path

import pytest

from sprag.queue import Job, QueueService, Retry
from sprag.queue.work import crew, execution
from tests.cli import terminal
from tests.cli.conftest import Ended, Sprag
from tests.conftest import MakeQueue
from tests.support import Gate, finished, raw, sql, wait_until


def test_a_job_is_shown_with_its_item_error_and_timeline(sprag: Sprag, ended: Ended) -> None:
    answer = sprag("show", ended.failed.id)
    assert answer.code == 0
    for words in (
        ended.failed.id, "failed", "2 of 2", '"fail": true', "raise ValueError(HOSTILE)",
        "50% 1/2 evil", "ago, ran ", "timeline from ",
    ):  # fmt: skip
        assert words in answer.out
    timeline = answer.out.partition("timeline from ")[2].splitlines()[2:]
    assert [line.split()[3 if "+" in line else 2] for line in timeline] == [
        "enqueue",
        "start",
        "retry",
        "start",
        "fail",
    ]


def test_the_json_of_a_timeline_has_these_fields(sprag: Sprag, ended: Ended) -> None:
    document = sprag("show", ended.failed.id, "--json").document
    assert set(document) == {"job", "history"}
    history = document["history"]
    assert all(
        set(move) == {
            "seq", "event", "from_status", "to_status", "attempt", "owner", "at", "due_at", "error",
        }
        for move in history
    )  # fmt: skip
    assert [move["to_status"] for move in history] == [
        "queued", "running", "queued", "running", "failed",
    ]  # fmt: skip
    assert history[2]["error"]["type"] == "ValueError"
    assert document["job"]["id"] == ended.failed.id


def test_a_job_is_found_by_the_first_digits_of_its_id(sprag: Sprag, ended: Ended) -> None:
    for reference in (ended.queued.id[:13], ended.queued.id[:20].upper()):
        assert sprag("show", reference, "--json").document["job"]["id"] == ended.queued.id


def test_digits_that_several_jobs_begin_with_name_none_of_them(
    sprag: Sprag, make_queue: MakeQueue
) -> None:
    queue = make_queue()
    ids = [f"0123456789ab{n:020x}" for n in range(8)]
    for id_ in ids:
        queue.enqueue(1, job_id=id_)
    queue.stop()
    answer = sprag("show", "01234567")
    assert (answer.code, answer.out) == (1, "")
    assert ids[0] in answer.err
    assert "and more" in answer.err
    error = sprag("show", "0123456789ab", "--json").error
    assert error["kind"] == "job_ambiguous"
    assert error["job_ids"][:2] == ids[:2]
    assert sprag("show", ids[3], "--json").document["job"]["id"] == ids[3]
    assert sprag("show", ids[3][:-1] + "3", "--json").code == 0


def test_a_job_that_is_not_there_ends_with_1(sprag: Sprag, ended: Ended) -> None:
    for reference in ("f" * 32, "ffff"):
        answer = sprag("show", reference)
        assert (answer.code, answer.out) == (1, "")
        assert reference in answer.err
        error = sprag("show", reference, "--json").error
        assert (error["kind"], error["exit_code"]) == ("job_not_found", 1)


def test_long_items_are_cut_unless_all_of_them_is_asked_for(
    sprag: Sprag, make_queue: MakeQueue
) -> None:
    queue = make_queue()
    job = queue.enqueue({"rows": list(range(1000)), "end": True})
    queue.stop()
    answer = sprag("show", job.id)
    assert '"end"' not in answer.out
    assert "--full to see them" in answer.err
    assert '"end": true' in sprag("show", job.id, "--full").out
    assert sprag("show", job.id, "--json").document["job"]["item"]["end"]


def test_long_timelines_are_cut_unless_all_of_them_is_asked_for(
    sprag: Sprag, make_queue: MakeQueue
) -> None:
    def fail(queue: QueueService, item: object) -> None:
        raise OSError(f"attempt {queue.current_job.attempt}.")

    queue = make_queue(fail, max_attempts=40, backoff=0.0)
    job = failed_through(queue)
    answer = sprag("show", job.id)
    assert "attempt 1." not in answer.out
    assert "attempt 40." in answer.out
    assert "moves after the first are left out" in answer.err
    full = sprag("show", job.id, "--full").out
    assert "attempt 1." in full
    assert full.count("Traceback") == 40


def test_an_error_of_another_program_is_shown_as_it_is(
    sprag: Sprag, ended: Ended, database: Path
) -> None:
    for error, words in (('"disk"', "disk"), ('{"type": 5}', "5:"), ("[1]", "[1]")):
        sql(
            database,
            "UPDATE job SET status = 'queued', event = 'requeue', attempt = 0, crashes = 0, "
            "error = ? WHERE id = ?",
            (error, ended.failed.id),
        )
        assert words in sprag("show", ended.failed.id).out
        sql(
            database,
            "UPDATE job SET status = 'cancelled', event = 'cancel' WHERE id = ?",
            (ended.failed.id,),
        )


def test_a_terminal_of_80_columns_has_room_for_the_timeline(ended: Ended, database: Path) -> None:
    with terminal.screen("show", ended.failed.id, "-d", database, columns=80) as shown:
        code, output = shown.end()
    assert code == 0
    for word in ("enqueue", "queued", "running", "retry", "failed", "ValueError: evil"):
        assert word in output
    assert ended.failed.id in output


def failed_through(queue: QueueService) -> Job:
    queue.start()
    (job,) = finished(queue, queue.enqueue(1))
    queue.stop()
    return job


def test_an_attempt_after_a_crash_is_not_one_of_fewer(
    sprag: Sprag, ended: Ended, database: Path
) -> None:
    job_id = ended.completed.id
    with raw(database) as file:
        file.execute("DROP TRIGGER job_moved").fetchall()
        file.execute(
            "UPDATE job SET attempt = 2, max_attempts = 1, crashes = 1 WHERE id = ?", (job_id,)
        )
    shown = sprag("show", job_id)
    assert "2 of 2" in shown.out
    assert "2 of 1" not in shown.out
    assert "2/2 †1" in sprag("list").out


def test_attempts_that_did_not_count_are_shown(
    sprag: Sprag, make_queue: MakeQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "_LEAST_SECONDS", 0.0)

    def handler(self: QueueService, item: object) -> None:
        if self.current_job.run.starts < 3:
            raise Retry("the service is down", after=0, counted=False)

    with make_queue(handler) as queue:
        [job] = finished(queue, queue.enqueue(1))
    answer = sprag("show", job.id)
    assert "1 of 1" in answer.out
    assert "3 in all" in answer.out
    assert answer.out.count("Retry: the service is down") == 2
    assert sprag("show", job.id, "--json").document["job"]["starts"] == 3


def test_a_job_over_its_time_limit_is_shown(
    sprag: Sprag, make_queue: MakeQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "_LATE_SECONDS", 0.0)
    gate = Gate()
    with make_queue(lambda self, item: gate.hold()) as queue:
        job = queue.enqueue(1, time_limit="1ms")
        gate.wait_held()
        wait_until(lambda: queue.get(job.id).overdue)
        answer = sprag("show", job.id)
        document = sprag("show", job.id, "--json").document
        listed = sprag("list").out
        gate.open()
    assert "time limit" in answer.out
    assert "over its time limit; its handler does not give way" in answer.out
    assert (document["job"]["time_limit"], document["job"]["overdue"]) == (0.001, True)
    assert "over its time limit" in listed
