"""Cancel and run again, one job or many."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sprag.dashboard import moves, pruning
from sprag.queue import QueueService
from sprag.queue.ids import new_ids
from tests.conftest import MakeQueue
from tests.dashboard.conftest import SAME_ORIGIN, TestClient, handle
from tests.support import Gate, finished, queue_class, until_interrupted


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


def test_what_waits_runs_now_and_what_is_ready_already_is_named(
    client: TestClient, queue: QueueService
) -> None:
    waiting = [queue.enqueue(n, delay=3600) for n in range(3)]
    ready = queue.enqueue(1)
    said = post(client, "run-now", ids=[waiting[0].id, ready.id])
    assert (said["done"], said["refused"][0]["message"]) == (1, "it is already ready")
    assert post(client, "run-now", match={"states": ["scheduled"]})["done"] == 2
    queue.start()
    assert {job.status for job in finished(queue, *waiting, ready)} == {"completed"}


def test_finished_jobs_are_deleted_and_unfinished_ones_are_not(
    client: TestClient, queue: QueueService
) -> None:
    jobs = [queue.enqueue({"fail": "x"} if n else n) for n in range(3)]
    queue.start()
    finished(queue, *jobs)
    queue.stop()
    waiting = queue.enqueue(1)
    said = post(client, "delete", ids=[jobs[0].id, waiting.id])
    assert (said["done"], said["refused"][0]["message"]) == (1, "it is queued")
    assert client.get(f"/data/jobs/{jobs[0].id}").status_code == 404
    assert post(client, "delete", match={"states": ["failed"]})["done"] == 2
    queue.cancel(waiting.id)
    [refused] = post(client, "delete", ids=[waiting.id])["refused"]
    assert refused["message"] == "it is the newest job, or the one that moved last, which stays"


@pytest.mark.parametrize("verb", ["cancel", "run-now", "requeue", "delete", "prune"])
def test_nothing_moves_at_the_wish_of_another_site(
    client: TestClient, queue: QueueService, verb: str
) -> None:
    job = queue.enqueue(1, delay=3600)
    body = {"older_than": 0} if verb == "prune" else {"ids": [job.id]}
    headers = {"Sec-Fetch-Site": "cross-site"}
    assert client.post(f"/{verb}", json=body, headers=headers).status_code == 403
    assert client.post(f"/{verb}", json=body).status_code == 403
    assert client.get(f"/{verb}").status_code == 405
    assert queue.get(job.id).due_at == job.due_at


def test_what_is_to_be_pruned_is_counted_first_and_then_deleted(
    client: TestClient, make_queue: MakeQueue
) -> None:
    for name in ("one", "two"):
        queue = make_queue(queue_class(handle, name), worker_count=1).start()
        finished(queue, *[queue.enqueue(n) for n in range(4)])
        queue.stop()
    kept = {"queue": None, "older_than": None, "keep": 3}
    assert post(client, "prune", **kept, only_count=True) == {"ok": True, "count": 2, "all": True}
    assert post(client, "prune", older_than=3600, only_count=True)["count"] == 0
    assert post(client, "prune", queue="one", older_than=0, only_count=True)["count"] == 4
    assert post(client, "prune", **kept) == {"ok": True, "done": 2, "more": False}
    assert len(client.get("/data/jobs").json()["jobs"]) == 6


def test_a_long_pruning_is_done_in_parts(
    client: TestClient, queue: QueueService, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = queue.enqueue_many(range(1200))
    for start in range(0, 1200, 400):
        post(client, "cancel", ids=[job.id for job in ids[start : start + 400]])
    monkeypatch.setattr(pruning, "_SECONDS", 0.0)
    monkeypatch.setattr(pruning, "_MOST", 500)
    said = post(client, "prune", older_than=0)
    assert (said["done"], said["more"]) == (500, True)
    assert post(client, "prune", older_than=0, only_count=True)["count"] == 699


@pytest.mark.parametrize(
    "body",
    [[], {}, {"keep": -1}, {"keep": 1.5}, {"keep": "1"}, {"keep": True}, {"older_than": -1},
     {"older_than": "x"}, {"older_than": 1e300}, {"queue": 1, "keep": 1}, {"keep": 1, "odd": 1}],
)  # fmt: skip
def test_a_pruning_that_makes_no_sense_is_refused(client: TestClient, body: Any) -> None:
    answer = client.post("/prune", json=body, headers=SAME_ORIGIN)
    assert answer.status_code == 400
    assert "expected" in answer.json()["error"]["message"]
    nan = client.post("/prune", content=b'{"keep": NaN}', headers={
        **SAME_ORIGIN, "Content-Type": "application/json"})  # fmt: skip
    assert nan.status_code == 400


BODIES: list[Any] = [
    [], {}, "x", {"ids": []}, {"ids": "x"}, {"ids": [1]}, {"ids": ["x"]},
    {"ids": ["0" * 32] * 1001}, {"match": []}, {"match": {"states": ["odd"]}},
    {"match": {"states": "queued"}}, {"match": {"states": [["queued"]]}},
    {"match": {"states": ["completed"]}}, {"match": {"queue": 1}}, {"match": {"text": 1}},
    {"match": {"from": "x"}}, {"match": {"by": "odd"}}, {"match": {"until": True}},
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
