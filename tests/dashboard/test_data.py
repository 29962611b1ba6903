"""What the pages are told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sprag.cli import main
from sprag.dashboard.pace import SPANS
from sprag.queue import QueueService, Retry, sparing, task
from sprag.queue.service import life_of
from sprag.queue.sparing import Sparing
from sprag.queue.work.engine import Engine
from tests.conftest import MakeQueue
from tests.dashboard.conftest import TestClient, handle
from tests.support import Gate, Seen, finished, sql, wait_until


def get(client: TestClient, path: str, **query: Any) -> Any:
    answer = client.get(f"/data/{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
def queue(make_queue: MakeQueue) -> QueueService:
    return make_queue(handle, worker_count=1)


def test_an_empty_file_has_nothing_to_show(client: TestClient) -> None:
    said = get(client, "overview")
    assert said["queues"] == said["failures"] == said["processes"] == []
    assert set(said["counts"].values()) == {0}
    assert get(client, "jobs")["jobs"] == []


def test_the_overview_counts_and_tells_the_latest_failures_of_each_kind(
    client: TestClient, queue: QueueService
) -> None:
    jobs = [queue.enqueue({"fail": "alike"}) for _ in range(3)]
    jobs.append(queue.enqueue({"fail": "other"}, label="odd"))
    jobs.append(queue.enqueue(1))
    queue.start()
    finished(queue, *jobs)
    said = get(client, "overview", span=900)
    assert said["counts"]["failed"] == 4
    assert said["queues"][0]["counts"]["completed"] == 1
    first, second = said["failures"]
    assert (first["label"], first["error"]["message"], first["alike"]) == ("odd", "other", 1)
    assert (second["id"], second["alike"]) == (jobs[2].id, 3)
    [process] = said["processes"]
    assert process["state"] == "alive"
    series = said["pace"]["queues"]["work"]
    assert (sum(series["failed"]), sum(series["completed"]), sum(series["enqueued"])) == (4, 1, 5)


@pytest.mark.parametrize("span", SPANS)
def test_a_pace_has_as_many_slots_whatever_its_span(
    client: TestClient, queue: QueueService, span: int
) -> None:
    queue.enqueue(1)
    pace = get(client, "overview", span=span)["pace"]
    assert pace["span"] == span
    assert len(pace["queues"]["work"]["enqueued"]) == 60
    assert pace["known_since"] == pace["since"]


@pytest.mark.parametrize(
    ("path", "query"),
    [("overview", {"span": "1"}), ("jobs", {"state": "odd"}), ("jobs", {"before": "x"}),
     ("jobs", {"before": "-1"}), ("jobs", {"text": "x" * 201}), ("jobs", {"sort": "odd"}),
     ("jobs", {"from": "x"}), ("jobs", {"until": "nan"}), ("jobs", {"by": "odd"})],
)  # fmt: skip
def test_a_query_that_makes_no_sense_is_a_400_that_says_why(
    client: TestClient, path: str, query: dict[str, str]
) -> None:
    answer = client.get(f"/data/{path}", params=query)
    assert answer.status_code == 400
    assert "expected" in answer.json()["error"]["message"]


def test_jobs_are_found_by_state_queue_and_text_and_come_in_pages(
    client: TestClient, make_queue: MakeQueue
) -> None:
    class Other(QueueService):
        name = "other"

    queue, other = make_queue(handle), make_queue(Other)
    ids = [queue.enqueue(n, label=f"number {n}").id for n in range(60)]
    lone = other.enqueue("x").id
    first = get(client, "jobs", queue="work")
    assert [job["id"] for job in first["jobs"]] == ids[:9:-1]
    rest = get(client, "jobs", queue="work", before=first["next"])
    assert [job["id"] for job in rest["jobs"]] == ids[9::-1]
    assert rest["next"] is None
    assert [job["id"] for job in get(client, "jobs", queue="other")["jobs"]] == [lone]
    assert get(client, "jobs", state="failed")["jobs"] == []
    both = get(client, "jobs", state=["failed", "queued"], text="NUMBER 7")
    assert [job["label"] for job in both["jobs"]] == ["number 7"]
    assert client.get("/data/jobs?queue=none&text=%ED%A0%80").json()["jobs"] == []


def test_jobs_are_listed_by_when_they_were_accepted_or_ended_and_in_orders(
    client: TestClient, engine: Engine, database: Path
) -> None:
    # Accepted at 1000, 1010, …; ended in the other order: the first one ran for the longest.
    accepted = (
        "INSERT INTO job (queue, item, created_at, due_at, moved_at, label) "
        "SELECT 'work', '1', 1000 + 10 * value, 0, 0, 'n' || value FROM json_each('[0,1,2,3,4]')"
    )
    moves = (
        "UPDATE job SET status = 'running', event = 'start', attempt = 1, starts = 1, owner = 7, "
        "started_at = created_at WHERE key < 5",
        "UPDATE job SET status = 'completed', event = 'complete', result = '1', owner = NULL, "
        "moved_at = 3000 - created_at WHERE key < 5",
    )
    for move in (accepted, *moves):
        sql(database, move)

    def labels(**query: Any) -> list[str]:
        return [job["label"] for job in get(client, "jobs", **query)["jobs"]]

    assert labels() == ["n4", "n3", "n2", "n1", "n0"]
    assert labels(sort="oldest") == ["n0", "n1", "n2", "n3", "n4"]
    assert labels(**{"from": 1010, "until": 1030}) == ["n2", "n1"]
    assert labels(**{"from": 1010, "until": 1030, "sort": "oldest"}) == ["n1", "n2"]
    assert labels(until=1010) == ["n0"]
    assert labels(**{"by": "ended", "from": 1975}) == ["n2", "n1", "n0"]
    assert labels(by="ended", until=1985) == ["n3", "n2"]
    assert labels(sort="longest") == ["n0", "n1", "n2", "n3"]
    assert labels(sort="due") == ["n4"]


def test_the_oldest_first_come_in_pages_too(client: TestClient, queue: QueueService) -> None:
    ids = [job.id for job in queue.enqueue_many(range(60))]
    first = get(client, "jobs", sort="oldest")
    rest = get(client, "jobs", sort="oldest", before=first["next"])
    assert [job["id"] for job in first["jobs"] + rest["jobs"]] == ids
    assert rest["next"] is None


def test_queued_jobs_are_told_apart_by_why_they_wait(
    client: TestClient, make_queue: MakeQueue
) -> None:
    queue = make_queue(handle, max_attempts=2, backoff=3600.0)
    late, soon = queue.enqueue(1, delay=7200), queue.enqueue(2, delay=60)
    failing = queue.enqueue({"fail": "once"})
    queue.start()
    wait_until(lambda: queue.get(failing.id).error is not None)
    queue.stop()
    ready = queue.enqueue(3)

    def listed(**query: Any) -> list[str]:
        jobs = get(client, "jobs", **query)["jobs"]
        assert all(job["status"] == "queued" for job in jobs)
        return [job["id"] for job in jobs]

    assert listed(state="ready") == [ready.id]
    assert listed(state="scheduled") == [soon.id, late.id]
    assert listed(state="scheduled", sort="oldest") == [late.id, soon.id]
    assert listed(state="retrying") == [failing.id]
    assert listed(state=["scheduled", "retrying"], sort="due") == [soon.id, failing.id, late.id]
    assert listed(state="queued") == [ready.id, failing.id, soon.id, late.id]
    said = get(client, f"jobs/{failing.id}")["job"]
    assert (said["state"], said["can"]) == ("retrying", ["cancel", "run-now"])
    counts = get(client, "overview")["counts"]
    assert (counts["ready"], counts["scheduled"], counts["retrying"]) == (1, 2, 1)


def test_jobs_of_a_process_that_died_are_lost_until_someone_takes_them_over(
    client: TestClient, killed: list[str], make_queue: MakeQueue, engine: Engine,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    [one, two] = killed

    def listed(state: str) -> set[str]:
        return {job["id"] for job in get(client, "jobs", state=state)["jobs"]}

    assert (listed("running"), listed("lost")) == (set(), {one, two})
    overview = get(client, "overview")
    assert (overview["counts"]["running"], overview["counts"]["lost"]) == (0, 2)
    assert [process["state"] for process in overview["processes"]] == ["dead"]
    said = get(client, f"jobs/{one}")["job"]
    assert (said["status"], said["state"], said["can"]) == ("running", "lost", ["cancel"])
    # The terminal says the same.
    assert main(["list", "--json", "--database", engine.path]) == 0
    listing = json.loads(capfd.readouterr().out)["jobs"]
    assert {job["id"] for job in listing if job["lost"]} == {one, two}
    # Another queue's process takes them over: they are ready, and nobody runs their queue.
    queue = make_queue(handle).start()
    wait_until(lambda: listed("ready") == {one, two})
    assert listed("lost") == set()
    of_queue = next(q for q in get(client, "jobs")["queues"].items() if q[0] == "held")
    assert of_queue[1]["workers"] == 0
    queue.stop()


def test_a_queue_says_how_many_workers_run_it(
    client: TestClient, make_queue: MakeQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sparing, "_LEAST", 0.0)
    queue = make_queue(handle, worker_count=3)
    queue.enqueue(1, delay=3600)
    assert get(client, "jobs")["queues"]["work"]["workers"] == 0
    queue.start()
    wait_until(lambda: get(client, "jobs")["queues"]["work"]["workers"] == 3)
    [process] = get(client, "overview")["processes"]
    assert process["workers"] == {"work": 3}


def test_a_job_tells_its_error_its_moves_and_who_made_them(
    client: TestClient, make_queue: MakeQueue, engine: Engine
) -> None:
    queue = make_queue(handle, max_attempts=2, backoff=0.0)
    job = queue.enqueue({"fail": "it <b>broke</b>"}, label="mine")
    queue.start()
    finished(queue, job)
    said = get(client, f"jobs/{job.id}")
    error = said["job"]["error"]
    assert (error["type"], error["message"]) == ("ValueError", "it <b>broke</b>")
    assert "Traceback" in error["traceback"]
    assert said["job"]["can"] == ["requeue", "delete"]
    events = [move["event"] for move in said["moves"]]
    assert events == ["enqueue", "start", "retry", "start", "fail"]
    assert said["moves"][2]["error"]["message"] == "it <b>broke</b>"
    assert said["moves"][1]["owner"]["state"] == "alive"
    queue.stop()
    assert engine.owner is not None
    engine.store.owners.leave(engine.owner)
    owner = get(client, f"jobs/{job.id}")["moves"][1]["owner"]
    assert (owner["state"], owner["pid"]) == ("gone", None)


def test_an_attempt_that_did_not_count_is_told_with_its_error(
    client: TestClient, make_queue: MakeQueue
) -> None:
    def handler(self: QueueService, item: Any) -> None:
        raise Retry("the service is down", at=4_000_000_000, counted=False)

    seen = Seen()
    with make_queue(handler) as queue:
        queue.subscribe(seen)
        job = queue.enqueue(1)
        seen.wait_for(lambda signals: [one for one in signals if one["event"] == "release"])
        said = get(client, f"jobs/{job.id}")
        counts = get(client, "overview")["counts"]
    assert (said["job"]["state"], said["job"]["attempt"], said["job"]["starts"]) == (
        "retrying", 0, 1,
    )  # fmt: skip
    assert said["moves"][-1]["error"]["message"] == "the service is down"
    assert (counts["retrying"], counts["scheduled"]) == (1, 0)


def test_progress_is_told_while_a_job_runs(client: TestClient, make_queue: MakeQueue) -> None:
    gate = Gate()

    def work(queue: QueueService, item: Any) -> None:
        queue.report_progress(1, 4, message="first of four")
        gate.hold()

    queue = make_queue(work)
    job = queue.enqueue(1)
    queue.start()
    gate.wait_held()
    engine = life_of(queue).open()
    engine.crew.store_progress(engine.owner or 0)
    said = get(client, f"jobs/{job.id}")["job"]
    assert (said["progress"]["current"], said["message"]) == (1, "first of four")
    assert get(client, "jobs")["jobs"][0]["progress"]["total"] == 4
    gate.open()
    finished(queue, job)


@pytest.mark.parametrize("id_", ["x", "0" * 32, "G" * 32, "a" * 31])
def test_an_unknown_job_is_a_404(client: TestClient, id_: str) -> None:
    answer = client.get(f"/data/jobs/{id_}")
    assert answer.status_code == 404
    assert answer.json()["error"]["type"] == "unknown_job"


def test_strange_payloads_are_shown_as_they_can_be(
    client: TestClient, queue: QueueService, database: Path
) -> None:
    for item in ('"\\ud800"', "9" * 5000, '"' + "x" * 30_000 + '"'):
        sql(database, "INSERT INTO job (queue, item, label) VALUES ('s', ?, 'half')", (item,))
    jobs = get(client, "jobs", queue="s")["jobs"]
    assert len(jobs) == 3
    long, number, half = (get(client, f"jobs/{job['id']}")["job"]["item"] for job in jobs)
    assert len(long["text"]) == 20_000 < long["length"] == 30_002
    assert number["text"] == "9" * 5000
    assert half["text"] == '"\ud800"'


def test_what_is_costly_is_read_once_for_all_who_ask() -> None:
    now, reads = 0.0, 0

    def read() -> int:
        nonlocal reads, now
        reads += 1
        now += 1.0
        return reads

    spared = Sparing(read, lambda: now)
    assert [spared(), spared()] == [1, 1]
    now += 9.9
    assert spared() == 1
    now += 0.2
    assert spared() == 2


class Mail(QueueService):
    name = "mail"
    worker_count = 1

    @task
    def welcome(self, user_id: int) -> int:
        return user_id

    @task
    def receipt(self, order_id: int) -> int:
        return order_id


def test_jobs_are_listed_by_task_and_what_no_process_knows_is_told(
    client: TestClient, database: Path
) -> None:
    with Mail(database=database) as mail:
        jobs = finished(mail, mail.welcome.enqueue(1), mail.receipt.enqueue(2))
        sql(database, "INSERT INTO job (queue, task, item) VALUES ('mail', 'new', '{}')")
        listed = get(client, "jobs", task="welcome")["jobs"]
        assert [(job["id"], job["task"]) for job in listed] == [(jobs[0].id, "welcome")]
        wait_until(lambda: get(client, "jobs")["queues"]["mail"]["tasks"] == ["receipt", "welcome"])
        says = "no process here knows task new"
        wait_until(
            lambda: (
                get(client, "overview")["queues"][0]["unknown"]
                == [{"task": "new", "jobs": 1, "words": f"1 job waits: {says}"}]
            )
        )
        (waiting,) = get(client, "jobs", state="ready")["jobs"]
        assert get(client, f"jobs/{waiting['id']}")["unknown"] == says
        assert get(client, f"jobs/{jobs[0].id}")["unknown"] is None
    assert client.get("/data/jobs", params={"task": "a" * 300}).json()["jobs"] == []
