"""Queues are paused and resumed on the dashboard, and shown as what they are."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from sprag.queue import QueueService
from tests.conftest import MakeQueue
from tests.dashboard.conftest import SAME_ORIGIN, OpenPage, TestClient, handle


@pytest.fixture
def queue(make_queue: MakeQueue) -> QueueService:
    made = make_queue(handle, name="mail")
    made.enqueue(1, label="waits")
    return made


def post(client: TestClient, path: str, body: Any) -> Any:
    return client.post(path, json=body, headers=SAME_ORIGIN)


def test_a_queue_is_paused_and_resumed_by_a_request(
    client: TestClient, queue: QueueService
) -> None:
    answer = post(client, "/pause", {"queue": "mail", "reason": "deploying"})
    assert (answer.status_code, answer.json()) == (200, {"ok": True})
    paused = queue.paused
    assert paused is not None
    assert paused.reason == "deploying"
    [shown] = client.get("/data/overview").json()["queues"]
    assert shown["paused"] == paused._asdict()
    [job] = client.get("/data/jobs").json()["jobs"]
    assert client.get(f"/data/jobs/{job['id']}").json()["paused"] == paused._asdict()
    for resumed in (True, False):
        answer = post(client, "/resume", {"queue": "mail"})
        assert answer.json() == {"ok": True, "resumed": resumed}
    assert queue.paused is None
    assert client.get(f"/data/jobs/{job['id']}").json()["paused"] is None


@pytest.mark.parametrize(
    "body",
    [{}, [], "mail", {"queue": 7}, {"queue": "a b"}, {"queue": "mail", "reason": 7},
     {"queue": "mail", "reason": "two\nlines"}, {"queue": "mail", "reasons": "x"}],
)  # fmt: skip
def test_a_wish_that_makes_no_sense_pauses_nothing(
    client: TestClient, queue: QueueService, body: Any
) -> None:
    answer = post(client, "/pause", body)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_payload"
    assert queue.paused is None


@pytest.mark.parametrize("path", ["/pause", "/resume"])
def test_nothing_is_paused_at_the_wish_of_another_site(
    client: TestClient, queue: QueueService, path: str
) -> None:
    queue.pause()
    body = {"queue": "mail"}
    foreign = {"Sec-Fetch-Site": "cross-site"}
    assert client.post(path, json=body, headers=foreign).status_code == 403
    assert client.post(path, json=body).status_code == 403
    assert client.get(path).status_code == 405
    assert queue.paused is not None


def test_an_operator_pauses_a_queue_with_a_reason_and_resumes_it(
    queue: QueueService, open_page: OpenPage
) -> None:
    page = open_page()
    tile = page.get_by_label("Queue mail", exact=True)
    expect(tile).to_contain_text("no process runs this queue")
    tile.get_by_role("button", name="Pause queue mail").click()
    page.get_by_role("dialog").get_by_label("Reason").fill("the server moves")
    page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    expect(page.locator("#outcome")).to_have_text("mail is paused.")
    expect(tile).to_contain_text("Paused just now: the server moves")
    expect(tile).not_to_contain_text("no process runs this queue")
    assert queue.paused is not None
    page.goto(page.url + "jobs?queue=mail")
    expect(page.locator("#idle")).to_contain_text("Paused just now: the server moves")
    page.locator("#rows a").first.click()
    expect(page.locator("#state")).to_contain_text("its queue: Paused")
    page.locator(".brand").click()
    page.get_by_label("Queue mail", exact=True).get_by_role("button", name="Resume").click()
    expect(page.locator("#outcome")).to_have_text("mail starts jobs again.")
    expect(page.get_by_label("Queue mail", exact=True)).to_contain_text("no process runs")
    assert queue.paused is None


def test_a_pause_that_is_not_confirmed_changes_nothing(
    queue: QueueService, open_page: OpenPage
) -> None:
    page = open_page()
    page.get_by_role("button", name="Pause queue mail").click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert queue.paused is None
