"""What an operator sees and does in a real browser: states, times, loads, and verbs."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, FloatRect, Locator, Page, expect

from sprag.dashboard import dashboard
from sprag.queue import QueueService, task
from sprag.queue.operators import QueueFile
from sprag.queue.work.engine import Engine
from tests.chromium import new_context
from tests.conftest import MakeQueue
from tests.dashboard.conftest import OpenPage, handle, served
from tests.support import Gate, finished, queue_class, sql, wait_until

BERLIN: dict[str, Any] = {"timezone_id": "Europe/Berlin"}


def rows(page: Page) -> Locator:
    return page.locator("#rows tr")


def box(locator: Locator) -> FloatRect:
    found = locator.bounding_box()
    assert found is not None
    return found


@pytest.fixture
def waiting(make_queue: MakeQueue) -> QueueService:
    """One job that waits for its next attempt, two that are scheduled, one that is ready."""
    queue = make_queue(handle, worker_count=1, max_attempts=2, backoff=3600.0)
    failing = queue.enqueue({"fail": "at first"}, label="retry me")
    queue.start()
    wait_until(lambda: queue.get(failing.id).error is not None)
    queue.stop()
    queue.enqueue(1, label="tomorrow", delay=86400)
    queue.enqueue(2, label="soon", delay=600)
    queue.enqueue(3, label="at once")
    return queue


# ------------------------------------------------------------ states


def test_tabs_tell_apart_what_is_ready_scheduled_and_retrying(
    waiting: QueueService, open_page: OpenPage
) -> None:
    page = open_page("jobs")
    tabs = page.locator("#states")
    for name, count, label in (("Ready", 1, "at once"), ("Scheduled", 2, "soon"),
                               ("Retrying", 1, "retry me")):  # fmt: skip
        tabs.get_by_role("link", name=name).click()
        expect(tabs.locator("[aria-current]")).to_have_text(f"{name} {count}")
        expect(rows(page)).to_have_count(count)
        expect(rows(page).first).to_contain_text(label)
        expect(rows(page).first.locator(".state")).to_have_text(name)
    page.goto(page.url.partition("?")[0] + "?state=queued")
    expect(rows(page)).to_have_count(4)
    expect(tabs.locator("[aria-current]")).to_have_count(3)


def test_a_job_that_waits_runs_now_from_its_page_and_from_the_list(
    waiting: QueueService, open_page: OpenPage
) -> None:
    page = open_page("jobs?state=scheduled")
    page.get_by_label("Select all on this page").check()
    page.locator("#picked").get_by_role("button", name="Run now").click()
    page.get_by_role("dialog").get_by_role("button", name="Run now").click()
    expect(page.locator("#outcome")).to_have_text("2 jobs will run now.")
    page.locator("#states").get_by_role("link", name="Retrying").click()
    rows(page).get_by_role("link").click()
    expect(page.locator("#buttons button")).to_have_text(["Cancel", "Run now"])
    page.keyboard.press("n")
    page.keyboard.press("Enter")
    expect(page.locator("#state")).to_contain_text("Ready")
    expect(page.locator("#buttons button")).to_have_text(["Cancel"])
    assert max(job.due_at for job in waiting.jobs("queued")) <= time.time()


def test_what_is_pressed_stays_in_place_until_it_is_released(
    waiting: QueueService, open_page: OpenPage
) -> None:
    page = open_page("jobs?state=scheduled")
    expect(page.locator("#live")).to_have_attribute("data-state", "live")
    tabs = page.locator("#states")
    tabs.get_by_role("link", name="Retrying").hover()
    page.mouse.down()
    with page.expect_response(lambda answer: "/data/jobs" in answer.url) as answered:
        waiting.enqueue(4, delay=600)
    answered.value.finished()
    page.evaluate("() => new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)))")
    expect(tabs.get_by_role("link", name="Scheduled")).to_have_text("Scheduled 2")
    page.mouse.up()
    expect(tabs.locator("[aria-current]")).to_have_text("Retrying 1")
    expect(tabs.get_by_role("link", name="Scheduled")).to_have_text("Scheduled 3")


def test_jobs_of_a_dead_process_are_shown_as_lost(killed: list[str], open_page: OpenPage) -> None:
    page = open_page()
    expect(page.locator("#totals .running b")).to_have_text("0")
    expect(page.locator("#warning")).to_contain_text("A process died.")
    expect(page.locator("#processes")).to_contain_text("2 jobs not ended")
    page.locator("#totals").get_by_role("link", name="Lost").click()
    expect(rows(page)).to_have_count(2)
    expect(rows(page).first).to_contain_text("Its process died.")
    rows(page).first.get_by_role("link").click()
    expect(page.locator("#state")).to_contain_text("Lost Its process died.")
    expect(page.get_by_role("progressbar")).to_have_count(0)


def test_an_attempt_after_a_crash_is_never_one_of_fewer(
    killed: list[str], make_queue: MakeQueue, open_page: OpenPage
) -> None:
    queue = make_queue(queue_class(handle, "held")).start()
    finished(queue, *killed)
    page = open_page(f"jobs/{killed[0]}")
    expect(page.locator("#state")).to_contain_text("attempt 2 of 2 (1 crash)")
    expect(page.locator(".moves tbody th")).to_have_text(
        ["Accepted", "Started", "Put back: its process died", "Started", "Completed"]
    )


def test_a_process_that_cannot_be_judged_is_shown_with_the_reason(
    engine: Engine, database: Path, open_page: OpenPage
) -> None:
    sql(
        database,
        "INSERT INTO owner (token, pid, host, started_at) VALUES ('feedbeef', 42, 'elsewhere', 0)",
    )
    page = open_page()
    row = page.locator("#processes tbody tr")
    expect(row).to_contain_text("pid 42 on elsewhere")
    expect(row.locator("td").first).to_contain_text("Unknown")
    expect(row.locator("td").first).to_contain_text("lock file")
    expect(row.locator("td").first).to_contain_text("sprag recover --owner")


# ------------------------------------------------------------ queues and processes


def test_a_queue_shows_its_percentiles_and_a_process_its_load(
    make_queue: MakeQueue, open_page: OpenPage
) -> None:
    gate = Gate()
    queue = make_queue(lambda queue, item: gate.hold() if item else None, worker_count=3)
    queue.start()
    finished(queue, *queue.enqueue_many([0] * 20))
    held = queue.enqueue(1)
    gate.wait_held()
    page = open_page()
    table = page.locator("#queues table")
    expect(table).to_contain_text("Last 20 runs")
    expect(table.locator("tbody td")).to_have_text([re.compile(r"^[\d.]+ m?s$")] * 4)
    expect(page.locator("#processes tbody")).to_contain_text("1 of 3 busy")
    expect(page.locator("#processes tbody")).to_contain_text("work 3")
    gate.open()
    finished(queue, held)


def test_a_queue_that_no_process_runs_says_so(make_queue: MakeQueue, open_page: OpenPage) -> None:
    make_queue(queue_class(name="mail")).enqueue_many([1, 2, 3])
    other = make_queue(queue_class(name="other")).start()
    says = "3 jobs wait and no process runs this queue."
    page = open_page()
    expect(page.locator("#queues .queue").filter(has_text="mail")).to_contain_text(says)
    expect(page.locator("#warning")).to_contain_text("Jobs wait in mail, and no process runs")
    page.get_by_role("link", name="Jobs", exact=True).click()
    expect(page.locator("#idle")).to_contain_text(f"mail: {says}")
    other.stop()
    queue = make_queue(queue_class(name="mail"), worker_count=1)
    queue.start()
    expect(page.locator("#idle")).to_be_hidden()


@pytest.mark.parametrize("count", [1_100, 9_000])
def test_the_axis_of_the_chart_is_not_cut_off(
    make_queue: MakeQueue, open_page: OpenPage, count: int
) -> None:
    make_queue(handle).enqueue_many(range(count))
    page = open_page()
    axis = page.locator("#pace text.end").last
    expect(axis).to_be_visible()
    for label in page.locator("#pace text.end").all():
        assert box(label)["x"] >= box(page.locator("#pace svg"))["x"]


def test_a_state_stands_apart_from_the_name_beside_it(
    make_queue: MakeQueue, open_page: OpenPage
) -> None:
    queue = make_queue(handle).start()
    finished(queue, queue.enqueue(1, label="x" * 100))
    page = open_page("jobs")
    badge, name = rows(page).locator(".badge"), rows(page).locator(".name a")
    expect(badge).to_have_text("Completed")
    assert box(badge)["x"] + box(badge)["width"] + 8 <= box(name)["x"]


# ------------------------------------------------------------ one job


def test_the_traceback_is_open_and_can_be_copied(
    make_queue: MakeQueue, open_page: OpenPage
) -> None:
    queue = make_queue(handle).start()
    job = queue.enqueue({"fail": "no such bucket"})
    finished(queue, job)
    page = open_page(f"jobs/{job.id}", permissions=["clipboard-read", "clipboard-write"])
    trace = page.locator(".failure pre")
    expect(trace).to_be_visible()
    page.get_by_role("button", name="Copy traceback").click()
    expect(page.locator("#outcome")).to_have_text("The traceback was copied.")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == trace.text_content()
    assert "no such bucket" in copied


def test_a_long_error_of_an_earlier_attempt_is_clamped_until_it_is_opened(
    make_queue: MakeQueue, open_page: OpenPage
) -> None:
    queue = make_queue(handle, max_attempts=2, backoff=0.0).start()
    job = queue.enqueue({"fail": "the same words again and again; " * 100})
    finished(queue, job)
    page = open_page(f"jobs/{job.id}")
    earlier = page.locator(".moves details").first
    expect(earlier.locator("summary")).to_contain_text("ValueError")
    assert box(earlier)["height"] < 80
    earlier.locator("summary").click()
    expect(earlier.locator(".message")).to_be_visible()
    expect(earlier.locator("pre")).to_contain_text("Traceback")


def test_the_timeline_has_clock_times_with_milliseconds_and_names_the_zone(
    make_queue: MakeQueue, open_page: OpenPage
) -> None:
    queue = make_queue(handle).start()
    job = queue.enqueue(1)
    finished(queue, job)
    page = open_page(f"jobs/{job.id}", **BERLIN)
    expect(page.locator("#moves .zone")).to_have_text(
        re.compile(r"^Times are in Europe/Berlin \(GMT\+[12]\)\.$")
    )
    times = page.locator("#moves time")
    expect(times).to_have_text([re.compile(r"\d\d:\d\d:\d\d\.\d\d\d$")] * 3)
    first = page.evaluate(
        """at => new Date(at * 1000).toLocaleTimeString("en-GB", {timeZone: "Europe/Berlin"})""",
        queue.get(job.id).created_at,
    )
    expect(times.first).to_contain_text(first)


def test_a_finished_job_is_deleted_from_its_page(
    make_queue: MakeQueue, open_page: OpenPage
) -> None:
    queue = make_queue(handle).start()
    job, other = queue.enqueue(1), queue.enqueue(2)
    finished(queue, job, other)
    finished(queue, queue.enqueue(3))
    page = open_page(f"jobs/{job.id}")
    expect(page.locator("#buttons button")).to_have_text(["Delete"])
    page.keyboard.press("d")
    expect(page.get_by_role("dialog")).to_contain_text("It is gone for good, with its history.")
    page.keyboard.press("Enter")
    expect(rows(page)).to_have_count(2)
    assert [found.id for found in queue.jobs()][-1] == other.id


def test_a_job_that_stays_is_not_deleted_and_its_page_says_why(
    make_queue: MakeQueue, open_page: OpenPage
) -> None:
    queue = make_queue(handle).start()
    job = queue.enqueue(1)
    finished(queue, job)
    page = open_page(f"jobs/{job.id}")
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.locator("#outcome")).to_have_text(
        "The job cannot be deleted: it is the newest job, or the one that moved last, which stays."
    )
    expect(page).to_have_url(re.compile(f"jobs/{job.id}$"))
    assert queue.get(job.id).status == "completed"


@pytest.mark.parametrize(
    ("button", "text"),
    [("Run again", "Its history is kept."), ("Delete", "It is gone for good, with its history.")],
)
def test_a_question_about_one_job_speaks_of_one(
    make_queue: MakeQueue, open_page: OpenPage, button: str, text: str
) -> None:
    queue = make_queue(handle)
    job = queue.enqueue(1)
    queue.cancel(job.id)
    page = open_page(f"jobs/{job.id}")
    page.get_by_role("button", name=button).click()
    expect(page.get_by_role("dialog")).to_contain_text(text)


# ------------------------------------------------------------ lists


def test_old_jobs_are_counted_and_then_deleted(make_queue: MakeQueue, open_page: OpenPage) -> None:
    # One worker: the job that moves last, which stays, is the newest.
    queue = make_queue(handle, worker_count=1).start()
    finished(queue, *queue.enqueue_many(range(10)))
    page = open_page("jobs")
    expect(rows(page)).to_have_count(10)
    page.get_by_role("button", name="Delete old jobs…").click()
    dialog = page.get_by_role("dialog", name="Delete old jobs")
    dialog.get_by_role("button", name="Count them").click()
    expect(dialog).to_contain_text("No job would be deleted.")
    dialog.get_by_label("that ended more than").fill("")
    dialog.get_by_label("or that are not among the newest").fill("4")
    dialog.get_by_role("button", name="Count them").click()
    expect(dialog).to_contain_text("6 finished jobs would be deleted")
    assert len(queue.jobs()) == 10
    # Another wish must be counted before it is carried out.
    dialog.get_by_label("or that are not among the newest").fill("3")
    expect(dialog.get_by_role("button", name="Count them")).to_be_visible()
    dialog.get_by_role("button", name="Count them").click()
    dialog.get_by_role("button", name="Delete 7 jobs").click()
    expect(page.locator("#outcome")).to_have_text("7 jobs deleted.")
    expect(rows(page)).to_have_count(3)


def test_a_list_is_of_a_span_of_time_and_in_an_order(
    make_queue: MakeQueue, open_page: OpenPage
) -> None:
    queue = make_queue(handle)
    for n in range(3):
        queue.enqueue(n, label=f"number {n}")
    page = open_page("jobs", **BERLIN)
    expect(rows(page)).to_have_count(3)
    page.get_by_label("Sort by").select_option("Oldest")
    expect(rows(page).first).to_contain_text("number 0")
    page.get_by_text("Time", exact=True).click()
    expect(page.locator("#times-zone")).to_contain_text("Europe/Berlin")
    page.get_by_role("button", name="Last hour").click()
    expect(page).to_have_url(re.compile(r"sort=oldest.*from=\d+"))
    expect(rows(page)).to_have_count(3)
    expect(page.get_by_label("from")).to_have_value(re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d"))
    page.get_by_label("until").fill("2020-01-01T12:00:00")
    page.get_by_label("from").fill("2020-01-01T11:00:00")
    page.get_by_role("button", name="Show").click()
    expect(page).to_have_url(re.compile(r"from=1577872800&until=1577876400"))
    expect(page.locator("#empty")).to_contain_text("No job matches")
    page.get_by_role("button", name="Any time").click()
    expect(rows(page)).to_have_count(3)


# ------------------------------------------------------------ a server that is gone


def test_what_is_old_says_of_when_it_is(
    make_queue: MakeQueue, engine: Engine, browser: Browser
) -> None:
    make_queue(handle).enqueue(1)

    def app() -> Any:
        return dashboard(lambda: QueueFile(engine), token=None, secret="")

    with new_context(browser, **BERLIN) as context:
        page = context.new_page()
        with served(app()) as url:
            page.goto(f"{url}/jobs")
            expect(page.locator("#live")).to_have_attribute("data-state", "live")
            expect(rows(page)).to_have_count(1)
        problem = page.get_by_role("alert")
        expect(problem).to_have_text(
            re.compile(r"^The server does not answer\. Data as of \d\d:\d\d:\d\d\. Trying again…$")
        )
        expect(page.locator("body")).to_have_class(re.compile("stale"))
        expect(rows(page)).to_have_count(1)
        with served(app(), int(url.rpartition(":")[2])):
            expect(problem).to_be_hidden()
            expect(page.locator("body")).not_to_have_class(re.compile("stale"))
            page.close()


@pytest.mark.parametrize("width", [360, 390])
def test_a_phone_has_room_for_all_that_can_be_chosen(
    waiting: QueueService, open_page: OpenPage, width: int
) -> None:
    page = open_page("jobs", viewport={"width": width, "height": 720}, has_touch=True)
    expect(rows(page)).to_have_count(4)
    page.get_by_text("Time", exact=True).click()
    page.get_by_label("Select all on this page").check()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.get_by_role("button", name="Delete old jobs…").click()
    dialog = page.locator("#prune")
    assert box(dialog)["width"] <= width
    assert dialog.evaluate("dialog => dialog.scrollWidth <= dialog.clientWidth")


def test_a_task_that_no_process_knows_says_so_and_lists_are_by_task(
    database: Path, open_page: OpenPage
) -> None:
    class Mail(QueueService):
        name = "mail"
        worker_count = 1

        @task
        def welcome(self, user_id: int) -> int:
            return user_id

        @task
        def bill(self) -> None:
            raise ValueError

    with Mail(database=database) as mail:
        finished(mail, *mail.welcome.enqueue_many(map(mail.welcome.args, range(3))))
        finished(mail, mail.bill.enqueue())
        sql(database, "INSERT INTO job (queue, task, item, label) "
                      "VALUES ('mail', 'new', '{}', 'strange')")  # fmt: skip
        says = "no process here knows task new"
        page = open_page()
        expect(page.locator("#queues .queue")).to_contain_text(f"1 job waits: {says}")
        expect(page.locator("#warning")).to_contain_text(f"mail: 1 job waits: {says}")
        expect(page.locator("#failures li .quiet")).to_contain_text("bill")
        page.get_by_role("link", name="Jobs", exact=True).click()
        expect(page.locator("#idle")).to_contain_text(f"mail: 1 job waits: {says}")
        strange = page.locator("#rows tr").filter(has_text="strange")
        expect(strange.locator(".says")).to_have_text(says)
        page.get_by_label("Task").select_option("welcome")
        expect(page.locator("#rows tr")).to_have_count(3)
        expect(page.locator("#rows tr .task")).to_have_text(["welcome"] * 3)
        page.get_by_label("Task").select_option("new")
        page.get_by_role("link", name="strange").click()
        expect(page.locator("#state")).to_contain_text(f"{says}; it waits for one that does")
        expect(page.locator("#facts")).to_contain_text("new")
