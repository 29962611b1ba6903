"""Schedules are shown on the dashboard, run now, paused and resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from sprag.queue import Cron, Every, QueueService
from sprag.queue.service import life_of
from tests.conftest import MakeQueue
from tests.dashboard.conftest import SAME_ORIGIN, OpenPage, TestClient, handle
from tests.support import queue_class, sql, wait_until


@pytest.fixture
def queue(make_queue: MakeQueue) -> QueueService:
    """A queue that has been started with two schedules."""
    schedules = (Cron("0 6 * * *", timezone="Europe/Berlin", name="daily", item=7), Every(days=7))
    kind = type("Reports", (queue_class(handle),), {"schedules": schedules})
    made = make_queue(kind, name="reports").start()
    store = life_of(made).open().store
    wait_until(lambda: len(store.schedules.all()) == 2)
    return made


DAILY = {"queue": "reports", "name": "daily"}


def post(client: TestClient, verb: str, body: Any) -> Any:
    return client.post(f"/schedules/{verb}", json=body, headers=SAME_ORIGIN)


def test_schedules_are_operated_by_requests(client: TestClient, queue: QueueService) -> None:
    [daily, weekly] = client.get("/data/overview").json()["schedules"]
    assert (daily["name"], weekly["words"]) == ("daily", "every 7 days")
    assert daily["last_status"] is None
    job = queue.get(post(client, "run", DAILY).json()["id"])
    assert (job.item, job.label) == (7, "daily")
    assert post(client, "pause", {**DAILY, "reason": "holidays"}).json() == {"ok": True}
    [daily, _] = client.get("/data/overview").json()["schedules"]
    assert daily["paused"]["reason"] == "holidays"
    assert post(client, "resume", DAILY).json() == {"ok": True}
    for verb, body in (("resume", DAILY), ("remove", DAILY), ("run", {**DAILY, "name": "x"})):
        answer = post(client, verb, body)
        assert (answer.status_code, answer.json()["error"]["type"]) == (409, "refused")
    queue.stop()
    assert post(client, "remove", DAILY).json() == {"ok": True}


@pytest.mark.parametrize(
    "body",
    [{}, [], {"queue": "reports"}, {"name": "daily"}, {**DAILY, "name": 7}, {**DAILY, "more": 1},
     {**DAILY, "reason": 7}, {**DAILY, "reason": "two\nlines"}],
)  # fmt: skip
def test_a_wish_that_makes_no_sense_is_refused(
    client: TestClient, queue: QueueService, body: Any
) -> None:
    answer = post(client, "pause", body)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_payload")


@pytest.mark.parametrize("verb", ["run", "pause", "resume", "remove"])
def test_nothing_is_done_at_the_wish_of_another_site(
    client: TestClient, queue: QueueService, verb: str
) -> None:
    foreign = {"Sec-Fetch-Site": "cross-site"}
    assert client.post(f"/schedules/{verb}", json=DAILY, headers=foreign).status_code == 403
    assert client.post(f"/schedules/{verb}", json=DAILY).status_code == 403
    assert client.get(f"/schedules/{verb}").status_code == 405
    assert list(queue.jobs()) == []


def test_an_operator_runs_pauses_and_resumes_a_schedule(
    queue: QueueService, open_page: OpenPage
) -> None:
    page = open_page()
    row = page.locator(".schedules tbody tr").first
    expect(row).to_contain_text("at 06:00 every day (Europe/Berlin)")
    expect(row).to_contain_text("none yet")
    row.get_by_role("button", name="Run now").click()
    page.get_by_role("dialog").get_by_role("button", name="Run now").click()
    expect(page.locator("#outcome")).to_have_text("A job of daily was enqueued.")
    assert [job.label for job in queue.jobs()] == ["daily"]
    row.get_by_role("button", name="Pause").click()
    page.get_by_role("dialog").get_by_label("Reason").fill("holidays")
    page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    expect(row).to_contain_text("Paused just now: holidays")
    row.get_by_role("button", name="Resume").click()
    expect(page.locator("#outcome")).to_have_text("daily goes on.")
    expect(row.locator("time")).to_have_count(1)


def test_a_schedule_that_is_late_is_warned_of_and_can_be_forgotten(
    queue: QueueService, open_page: OpenPage, database: Path
) -> None:
    queue.stop()
    sql(database, "UPDATE schedule SET last_slot = last_slot - 7 * 86400 WHERE name = 'daily'")
    page = open_page()
    expect(page.locator("#warning")).to_contain_text("A schedule is late: daily.")
    row = page.locator(".schedules tbody tr").first
    expect(row).to_contain_text("No running process has it.")
    row.get_by_role("button", name="Forget").click()
    page.get_by_role("dialog").get_by_role("button", name="Forget").click()
    expect(page.locator("#outcome")).to_have_text("daily is forgotten.")
    expect(page.locator(".schedules tbody tr")).to_have_count(1)


def test_a_file_without_schedules_shows_no_table_of_them(
    make_queue: MakeQueue, open_page: OpenPage
) -> None:
    make_queue().enqueue(1)
    page = open_page()
    expect(page.locator("#queues section")).to_have_count(1)
    expect(page.locator("#schedules-section")).to_be_hidden()
