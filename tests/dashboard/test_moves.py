"""Cancel and run again, one job or many."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sprag.dashboard import moves
from sprag.queue import QueueService
from sprag.queue.ids import new_ids
from tests.conftest import MakeQueue
from tests.dashboard.conftest import SAME_ORIGIN, TestClient, handle
from tests.support import Gate, finished, until_interrupted


def post(client: TestClient, verb: str, **body: Any) -> Any:
    answer = client.post(f"/{verb}", json=body, headers=SAME_ORIGIN)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
def queue(make_queue: MakeQueue) -> QueueService:
    return make_queue(handle, worker_count=1)


def test_some_are_done_and_the_rest_refused_with_a_reason(
    client: TestClient, queue: QueueService
) -> None:
    failed = [queue.enqueue({"fail": "x"}) for _ in range(2)]
    done = queue.enqueue(1)
    queue.start()
    finished(queue, *failed, done)
    queue.stop()
    [nobody] = new_ids(1)
    said = post(client, "requeue", ids=[failed[0].id, failed[1].id, done.id, nobody, done.id])
    assert (said["done"], said["refused_count"], said["more"]) == (2, 2, False)
    assert [(one["id"], one["status"]) for one in said["refused"]] == [
        (done.id, "completed"),
        (nobody, None),
    ]
    assert [queue.get(job.id).status for job in failed] == ["queued", "queued"]


def test_a_running_job_is_told_to_give_way(client: TestClient, make_queue: MakeQueue) -> None:
    gate = Gate()

    def work(queue: QueueService, item: Any) -> None:
        gate.hold()
        until_interrupted(queue)

    queue = make_queue(work)
    one, two, three = (queue.enqueue(n) for n in range(3))
    queue.start()
    gate.wait_held(3)
    assert post(client, "cancel", ids=[one.id])["done"] == 1
    assert post(client, "cancel", ids=[one.id])["refused"][0]["status"] == "cancelling"
    assert post(client, "cancel", ids=[two.id, three.id])["done"] == 2
    gate.open()
    assert {job.status for job in finished(queue, one, two, three)} == {"cancelled"}


def test_all_that_match_are_moved_and_no_others(client: TestClient, queue: QueueService) -> None:
    wanted = [queue.enqueue({"n": n}, label=f"wanted {n}") for n in range(5)]
    other = queue.enqueue(1, label="other")
    match = {"states": ["queued", "failed"], "queue": "work", "text": "wanted"}
    said = post(client, "cancel", match=match)
    assert (said["done"], said["refused"]) == (5, [])
    assert {queue.get(job.id).status for job in wanted} == {"cancelled"}
    assert queue.get(other.id).status == "queued"
    assert post(client, "requeue", match={"states": ["cancelled"], "queue": "none"})["done"] == 0
    assert post(client, "requeue", match={"states": ["cancelled"]})["done"] == 5


def test_one_request_moves_so_many_and_says_that_there_are_more(
    client: TestClient, queue: QueueService, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue.enqueue_many(range(450))
    monkeypatch.setattr(moves, "MOST", 300)
    said = post(client, "cancel", match={"states": ["queued"]})
    assert (said["done"], said["more"]) == (300, True)
    said = post(client, "cancel", match={"states": ["queued"]})
    assert (said["done"], said["more"]) == (150, False)


BODIES: list[Any] = [
    [], {}, "x", {"ids": []}, {"ids": "x"}, {"ids": [1]}, {"ids": ["x"]},
    {"ids": ["0" * 32] * 1001}, {"match": []}, {"match": {"states": ["odd"]}},
    {"match": {"states": "queued"}}, {"match": {"states": [["queued"]]}},
    {"match": {"states": ["completed"]}}, {"match": {"queue": 1}}, {"match": {"text": 1}},
    {"match": {"odd": 1}}, {"ids": ["0" * 32], "match": {}},
]  # fmt: skip


@pytest.mark.parametrize("body", BODIES)
def test_a_body_that_makes_no_sense_is_a_400_that_says_what_was_expected(
    client: TestClient, body: Any
) -> None:
    answer = client.post("/cancel", json=body, headers=SAME_ORIGIN)
    assert answer.status_code == 400
    assert "expected" in answer.json()["error"]["message"]


def test_what_is_no_json_is_refused(client: TestClient) -> None:
    kinds = {
        "text/plain": 415,
        "application/x-www-form-urlencoded": 415,
        "multipart/form-data": 415,
        "application/json; charset=utf-8": 400,
    }
    for kind, status in kinds.items():
        headers = {**SAME_ORIGIN, "Content-Type": kind}
        assert client.post("/cancel", content=b"{", headers=headers).status_code == status
    deep = b"[" * 60_000
    headers = {**SAME_ORIGIN, "Content-Type": "application/json"}
    assert client.post("/cancel", content=deep, headers=headers).status_code == 400


def test_half_a_surrogate_pair_matches_nothing(client: TestClient) -> None:
    headers = {**SAME_ORIGIN, "Content-Type": "application/json"}
    for name in ("queue", "text"):
        body = json.dumps({"match": {name: "\ud800"}})
        answer = client.post("/cancel", content=body, headers=headers)
        assert (answer.status_code, answer.json()["done"]) == (200, 0)


def test_a_body_is_bounded_whether_it_says_its_length_or_not(client: TestClient) -> None:
    headers = {**SAME_ORIGIN, "Content-Type": "application/json"}
    read = 0

    def endless() -> Any:
        nonlocal read
        while read < 100:
            read += 1
            yield b"x" * 16_384

    assert client.post("/cancel", content=b" " * 65_537, headers=headers).status_code == 413
    assert client.post("/cancel", content=endless(), headers=headers).status_code == 413
