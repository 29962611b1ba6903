from __future__ import annotations

import time
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from sprag.queue import new_job_id
from tests.cli.conftest import Sprag
from tests.conftest import MakeQueue


def test_an_argument_becomes_a_job_and_its_id_is_printed(
    sprag: Sprag, make_queue: MakeQueue
) -> None:
    answer = sprag("enqueue", "images", '{"path": "ü.jpg", "size": [1, 2.5, null]}')
    assert answer.code == 0
    job = make_queue(name="images").get(answer.out.strip())
    assert job.item == {"path": "ü.jpg", "size": [1, 2.5, None]}


def test_standard_input_becomes_a_job(sprag: Sprag, make_queue: MakeQueue) -> None:
    answer = sprag("enqueue", "images", "-", stdin='{"n":\n "ü"}'.encode())
    assert make_queue(name="images").get(answer.out.strip()).item == {"n": "ü"}


def test_each_line_of_standard_input_becomes_a_job(sprag: Sprag, make_queue: MakeQueue) -> None:
    answer = sprag("enqueue", "images", "-", "--lines", "--label=batch", stdin=b'1\n\n"two"\r\n3')
    queue = make_queue(name="images")
    jobs = [queue.get(id_) for id_ in answer.out.split()]
    assert [job.item for job in jobs] == [1, "two", 3]
    assert {job.label for job in jobs} == {"batch"}


def test_a_bad_line_is_named_and_none_is_enqueued(sprag: Sprag, make_queue: MakeQueue) -> None:
    answer = sprag("enqueue", "images", "-", "--lines", stdin=b"1\n2\n{three}\n")
    assert (answer.code, answer.out) == (2, "")
    assert "line 3 is not valid JSON" in answer.err
    assert len(make_queue(name="images").jobs()) == 0


def test_no_lines_are_no_jobs(sprag: Sprag) -> None:
    assert sprag("enqueue", "q", "-", "--lines", "--json").document == {"jobs": []}


def test_options_reach_the_job(sprag: Sprag, make_queue: MakeQueue) -> None:
    before = time.time()
    document = sprag(
        "enqueue", "images", "1", "--json", "--delay=1h", "--priority=-3", "--label=Übung",
        "--max-attempts=4", "--backoff=5m", "--max-crashes=2",
    ).document  # fmt: skip
    (job,) = document["jobs"]
    assert (job["priority"], job["label"], job["max_attempts"]) == (-3, "Übung", 4)
    assert 3600 <= job["due_at"] - before < 3700
    assert make_queue(name="images").get(job["id"]).max_attempts == 4


def test_a_job_can_be_due_at_a_time(sprag: Sprag) -> None:
    (job,) = sprag("enqueue", "q", "1", "--json", "--at=2130-05-06T07:08Z").document["jobs"]
    assert job["due_at"] == datetime(2130, 5, 6, 7, 8, tzinfo=UTC).timestamp()
    assert sprag("enqueue", "q", "1", "--at=2130-05-06", "--delay=1h").code == 2


def test_the_same_id_stores_one_job(sprag: Sprag, make_queue: MakeQueue) -> None:
    id_ = new_job_id()
    for _ in range(2):
        assert sprag("enqueue", "images", "[1]", "--id", id_).out.strip() == id_
    assert len(make_queue(name="images").jobs()) == 1
    error = sprag("enqueue", "images", "[2]", "--id", id_, "--json").error
    assert (error["kind"], error["exit_code"], error["job_id"]) == ("job_exists", 1, id_)


def test_what_show_prints_can_be_enqueued_again(sprag: Sprag, make_queue: MakeQueue) -> None:
    item = {"pair": (1, 2), "day": date(2030, 1, 2), "raw": b"\x00"}
    queue = make_queue(name="images")
    job = queue.enqueue(item)
    queue.stop()
    stored = sprag("show", job.id, "--json").out.partition('"item": ')[2].partition(', "result"')[0]
    refused = sprag("enqueue", "images", stored)
    assert refused.code == 2
    assert "--tags" in refused.err
    tagged = sprag("enqueue", "images", stored, "--tags").out.strip()
    plain = sprag("enqueue", "images", stored, "--no-tags").out.strip()
    queue = make_queue(name="images")
    assert queue.get(tagged).item == item
    assert queue.get(plain).item["pair"] == {"$tuple": [1, 2]}
    assert sprag("enqueue", "images", '{"$nonsense": 1}', "--tags").code == 2


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ("{path: 1}", "not valid JSON"),
        ("text", "quotation marks"),
        ("", "not valid JSON"),
        ("[" * 20_000, "not valid JSON"),
        ("NaN", "nan"),
        ('"\\ud800"', "surrogate"),
    ],
)
def test_what_cannot_be_an_item_is_refused(sprag: Sprag, item: str, words: str) -> None:
    answer = sprag("enqueue", "images", item)
    assert answer.code in (1, 2)
    assert words in answer.err
    assert "Traceback" not in answer.err


def test_standard_input_that_is_no_utf_8_is_refused(sprag: Sprag) -> None:
    answer = sprag("enqueue", "images", "-", stdin=b'"\xff"')
    assert answer.code == 2
    assert "UTF-8" in answer.err


def test_an_item_that_is_too_large_is_refused(sprag: Sprag) -> None:
    error = sprag("enqueue", "q", "-", "--json", stdin=b'"' + b"x" * 1_100_000 + b'"').error
    assert (error["kind"], error["exit_code"]) == ("payload_too_large", 2)
    assert error["limit"] == 1_048_576


@pytest.mark.parametrize(
    "arguments",
    [
        ("bad name", "1"),
        ("sprag:own", "1"),
        ("q", "1", "--max-attempts=0"),
        ("q", "1", "--label", "two\nlines"),
        ("q", "1", "--id", "abc"),
        ("q", "1", "--lines"),
        ("q", "-", "--lines", "--id", "0" * 32),
        ("q",),
    ],
)
def test_wrong_options_end_with_2(sprag: Sprag, arguments: tuple[str, ...]) -> None:
    answer = sprag("enqueue", *arguments)
    assert (answer.code, answer.out) == (2, "")
    assert "Traceback" not in answer.err


def test_a_new_file_and_a_new_queue_are_remarked_on(sprag: Sprag, database: Path) -> None:
    first = sprag("enqueue", "images", "1")
    assert f"{database} did not exist" in first.err
    assert "images is a new queue" in first.err
    assert sprag("enqueue", "images", "1").err == ""
    assert "imagse is a new queue" in sprag("enqueue", "imagse", "1").err


@pytest.mark.parametrize("arguments", [["NaN"], ["1", "--priority", "9999999999"]])
def test_a_job_that_is_refused_makes_no_file(
    sprag: Sprag, database: Path, arguments: list[str]
) -> None:
    answer = sprag("enqueue", "work", *arguments)
    assert answer.code == 2
    assert answer.out == ""
    assert "made" not in answer.err
    assert not database.exists()


def test_a_unique_job_is_enqueued_once(sprag: Sprag) -> None:
    first = sprag("enqueue", "q", "1", "--unique", "key", "--unique-for", "1h")
    again = sprag("enqueue", "q", "2", "--unique", "key")
    assert again.out == first.out
    assert "the job was there before; it is queued" in again.err
    (job,) = sprag("enqueue", "q", "2", "--unique", "key", "--json").document["jobs"]
    assert (job["id"], job["existing"], job["unique"]) == (first.out.strip(), True, "key")
    assert job["unique_for"] is None
    assert job["unique_until"] > time.time()
    shown = sprag("show", job["id"])
    assert "key, held until" in shown.out


def test_what_a_unique_key_cannot_be_is_refused(sprag: Sprag) -> None:
    for arguments in (
        ["1", "--unique", ""], ["1", "--unique-for", "queued"], ["-", "--lines", "--unique", "key"],
        ["1", "--unique", "key", "--unique-for", "soon"],
    ):  # fmt: skip
        answer = sprag("enqueue", "q", *arguments, stdin=b"1\n2\n")
        assert (answer.code, answer.out) == (2, "")
        assert "unique" in answer.err
