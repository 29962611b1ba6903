from pathlib import Path
from typing import Any

import pytest

from sprag.queue import Job, JobError, Page, PayloadError, Progress, QueueService
from sprag.queue.job import attempts_of
from tests.conftest import MakeQueue
from tests.support import finished, sql


def a_job(**columns: Any) -> Job:
    return Job("a" * 32, "work", **{"status": "queued", "item_json": "1", **TIMES, **columns})


TIMES = {"created_at": 1.0, "due_at": 1.0}


def test_a_record_cannot_be_changed() -> None:
    records: dict[str, Any] = {
        "id": a_job(),
        "type": JobError("a", "b"),
        "current": Progress(1),
        "jobs": Page((), None),
    }
    for field, record in records.items():
        with pytest.raises(AttributeError):
            setattr(record, field, None)
        with pytest.raises((AttributeError, TypeError)):
            record.nonsense = 1


def test_item_and_result_are_decoded_at_each_access() -> None:
    job = a_job(item_json='{"$tuple":[1,[2]]}', result_json="[3]", status="completed")
    assert job.item == (1, [2])
    assert job.item[1] is not job.item[1]
    assert job.result == [3]
    assert job.result is not job.result
    assert a_job().result is None


def test_an_item_that_cannot_be_decoded_says_so_at_its_access_alone() -> None:
    job = a_job(item_json='{"$dataclass":"gone:Thing","fields":{}}')
    assert job.status == "queued"
    with pytest.raises(PayloadError, match="gone:Thing, which is not imported"):
        _ = job.item


@pytest.mark.parametrize(
    ("status", "ended", "asked"),
    [
        ("queued", False, False),
        ("running", False, False),
        ("cancelling", False, True),
        ("completed", True, False),
        ("failed", True, False),
        ("cancelled", True, True),
    ],
)
def test_a_status_tells_whether_it_ended_and_was_asked_to(
    status: str, *, ended: bool, asked: bool
) -> None:
    job = a_job(status=status)
    assert (job.finished, job.cancel_requested) == (ended, asked)


def test_an_error_comes_back_from_its_text() -> None:
    error = JobError("ValueError", 'quoted " and ünïcode', "Traceback\n  line")
    assert JobError.from_json(error.to_json()) == error
    assert JobError.from_json(None) is None
    assert "ünïcode" in error.to_json()


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('{"message": "no disk"}', JobError("", "no disk", "")),
        ('{"type": "E", "code": 5}', JobError("E", "", "")),
        ('"just text"', JobError("", "just text", "")),
        ("[1]", JobError("", "[1]", "")),
        ('{"type": 5, "message": null}', JobError("5", "None", "")),
    ],
)
def test_another_program_s_error_is_shown_as_well_as_can_be(
    make_queue: MakeQueue, database: Path, text: str, error: JobError
) -> None:
    queue = make_queue()
    job = queue.enqueue(1)
    sql(
        database,
        "UPDATE job SET status = 'running', event = 'start', attempt = 1, starts = 1, owner = 1",
    )
    sql(
        database,
        "UPDATE job SET status = 'failed', event = 'fail', owner = NULL, error = ?",
        (text,),
    )
    assert queue.get(job.id).error == error
    assert queue.history(job.id)[-1].error == error


def test_a_page_is_a_sequence_of_its_jobs() -> None:
    jobs = (a_job(), a_job(status="failed"))
    page = Page(jobs, "5")
    assert tuple(page) == jobs
    assert len(page) == 2


def test_a_transition_tells_all_that_was_so(make_queue: MakeQueue) -> None:
    def handler(self: QueueService, item: Any) -> None:
        raise ValueError("told")

    with make_queue(handler) as queue:
        job = queue.enqueue(1)
        finished(queue, job)
        enqueue, start, fail = queue.history(job.id)
    assert [move.seq for move in (enqueue, start, fail)] == [1, 2, 3]
    assert {move.job_id for move in (enqueue, start, fail)} == {job.id}
    assert {move.queue for move in (enqueue, start, fail)} == {"work"}
    assert (enqueue.from_status, enqueue.to_status, enqueue.owner) == (None, "queued", None)
    assert enqueue.due_at == enqueue.at == job.created_at
    assert (start.from_status, start.to_status, start.attempt) == ("queued", "running", 1)
    assert start.owner is not None
    assert fail.owner == start.owner
    assert (start.due_at, fail.due_at, start.error) == (None, None, None)
    assert fail.error is not None
    assert fail.error.message == "told"
    assert enqueue.at <= start.at <= fail.at


def test_no_attempt_is_one_of_fewer() -> None:
    assert attempts_of(2, 3) == (2, 3)
    assert attempts_of(2, 1) == (2, 2)
