"""The pages in a real browser, by mouse, by keyboard, on a phone and in the dark."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from starlette.applications import Starlette
from starlette.routing import Mount

from sprag.dashboard import dashboard
from sprag.queue import QueueService, Retry
from sprag.queue.operators import QueueFile
from sprag.queue.work import crew, execution
from sprag.queue.work.engine import Engine
from tests.chromium import new_context
from tests.conftest import MakeQueue
from tests.dashboard.conftest import SECRET, TOKEN, OpenPage, handle, served
from tests.support import Gate, finished, sql, until_interrupted, wait_until

PHONE = {"viewport": {"width": 360, "height": 720}, "has_touch": True}


@pytest.fixture
def queue(make_queue: MakeQueue) -> QueueService:
    """Two jobs that failed, one that completed, three that wait."""
    queue = make_queue(handle, worker_count=1)
    jobs = [queue.enqueue({"fail": "no such bucket: pictures"}, label=f"IMG_{n}") for n in range(2)]
    jobs.append(queue.enqueue({"path": "a.jpg"}))
    queue.start()
    finished(queue, *jobs)
    queue.stop()
    queue.enqueue_many([1, 2, 3], label="later")
    return queue


def rows(page: Page) -> Any:
    return page.locator("#rows tr")


def test_a_job_that_is_to_wait_says_until_when(make_queue: MakeQueue, open_page: OpenPage) -> None:
    queue = make_queue()
    queue.enqueue(1, label="ready")
    queue.enqueue(2, label="later", delay=3600)
    page = open_page("jobs")
    expect(rows(page).filter(has_text="later").locator(".says")).to_contain_text("due in 59 min")
    expect(rows(page).filter(has_text="ready").locator(".says")).to_be_empty()


def test_a_job_shows_its_key_its_limit_and_the_attempts_that_did_not_count(
    make_queue: MakeQueue, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "_LATE_SECONDS", 0.0)
    monkeypatch.setattr(execution, "_LEAST_SECONDS", 0.0)
    gate = Gate()

    def handler(self: QueueService, item: Any) -> None:
        if self.current_job.run.starts == 1:
            raise Retry("the service is down", after=0, counted=False)
        gate.hold()

    with make_queue(handler) as queue:
        job = queue.enqueue(1, unique="report-7", time_limit="1ms")
        gate.wait_held()
        wait_until(lambda: queue.get(job.id).overdue)
        page = open_page(f"jobs/{job.id}")
        expect(page.locator("#state")).to_contain_text("over its time limit")
        facts = page.locator("#facts")
        expect(facts).to_contain_text("report-7, held until it has ended")
        expect(facts).to_contain_text("Time limit1 ms")
        expect(facts).to_contain_text("Starts2")
        expect(page.locator(".moves tbody th")).to_have_text(
            ["Accepted", "Started", "Will be tried again, and is not counted", "Started"]
        )
        listed = open_page("jobs")
        expect(rows(listed).locator(".says")).to_contain_text("Over its time limit")
        gate.open()
        expect(facts).not_to_contain_text("report-7")


# ------------------------------------------------------------ three in the morning


def test_why_a_job_failed_is_two_clicks_away(queue: QueueService, open_page: OpenPage) -> None:
    page = open_page()
    expect(page.locator("#totals .failed b")).to_have_text("2")
    page.get_by_role("link", name="ValueError no such bucket: pictures").click()
    error = page.get_by_role("region", name="Error")
    expect(error.get_by_role("heading")).to_have_text("ValueError")
    expect(error.locator(".message")).to_have_text("no such bucket: pictures")
    expect(error.locator("summary code")).to_contain_text("in handle")
    expect(error.locator("pre")).to_contain_text("Traceback (most recent call last)")
    box = error.bounding_box()
    assert box is not None
    assert box["y"] < 300
    expect(page.locator(".moves tbody th")).to_have_text(["Accepted", "Started", "Failed"])


def test_a_failure_appears_without_a_reload_and_leads_to_all_like_it(
    queue: QueueService, open_page: OpenPage
) -> None:
    page = open_page()
    expect(page.locator("#live")).to_have_attribute("data-state", "live")
    expect(page.locator("#failures li")).to_have_count(1)
    queue.enqueue({"fail": "disk on fire"})
    queue.start()
    expect(page.locator("#failures li").first).to_contain_text("disk on fire")
    expect(page.locator("#totals .failed b")).to_have_text("3")
    page.get_by_role("link", name="+1 alike").click()
    expect(rows(page)).to_have_count(2)
    expect(page.locator("#text")).to_have_value("no such bucket: pictures")


def test_a_page_finds_the_server_again_and_what_happened_meanwhile(
    queue: QueueService, engine: Engine, browser: Browser
) -> None:
    def app() -> Any:
        return dashboard(lambda: QueueFile(engine), token=None, secret="")

    with new_context(browser) as context:
        page = context.new_page()
        with served(app()) as url:
            page.goto(url)
            expect(page.locator("#live")).to_have_attribute("data-state", "live")
        expect(page.locator("#live")).to_have_attribute("data-state", "waiting")
        queue.enqueue("meanwhile")
        with served(app(), int(url.rpartition(":")[2])):
            expect(page.locator("#live")).to_have_attribute("data-state", "live")
            expect(page.locator("#totals .ready b")).to_have_text("4")
            expect(page.locator("#problem")).to_be_hidden()
            page.close()


def test_progress_is_seen_while_the_job_runs_and_cancelling_ends_it(
    make_queue: MakeQueue, open_page: OpenPage
) -> None:
    gate, more = Gate(), Gate()

    def work(queue: QueueService, item: Any) -> None:
        gate.hold()
        queue.report_progress(21, 50, message="resizing")
        more.hold()
        queue.report_progress(42, 50)
        until_interrupted(queue)

    queue = make_queue(work)
    job = queue.enqueue("big.tif")
    page = open_page(f"jobs/{job.id}")
    expect(page.locator("#state")).to_contain_text("Ready")
    queue.start()
    expect(page.locator("#state")).to_contain_text("Running")
    gate.open()
    bar = page.get_by_role("progressbar")
    expect(bar).to_have_js_property("value", 42)
    expect(page.locator("#progress")).to_contain_text("42 % · 21 of 50 · resizing")
    more.open()
    expect(bar).to_have_js_property("value", 84)
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("status")).to_contain_text("1 job cancelled or asked to stop")
    expect(page.locator("#state")).to_contain_text("Cancelled")
    expect(bar).to_have_count(0)
    expect(page.locator("#buttons button")).to_have_text(["Run again", "Delete"])


def test_all_failed_jobs_are_run_again_at_once(queue: QueueService, open_page: OpenPage) -> None:
    page = open_page()
    page.locator("#totals").get_by_role("link", name="Failed").click()
    expect(rows(page)).to_have_count(2)
    page.get_by_role("button", name="Run all 2 again…").click()
    expect(page.get_by_role("dialog")).to_contain_text("Run all 2 jobs again?")
    page.get_by_role("button", name="No, leave it").click()
    expect(rows(page)).to_have_count(2)
    page.get_by_role("button", name="Run all 2 again…").click()
    page.get_by_role("dialog").get_by_role("button", name="Run again").click()
    expect(page.get_by_role("status")).to_contain_text("2 jobs will run again")
    expect(page.locator("#empty")).to_contain_text("No job matches")
    assert queue.counts()["queued"] == 5


def test_of_several_selected_jobs_those_move_with_which_it_can_be_done(
    queue: QueueService, open_page: OpenPage
) -> None:
    page = open_page("jobs")
    expect(rows(page)).to_have_count(6)
    page.get_by_label("Select all on this page").check()
    picked = page.locator("#picked")
    expect(picked).to_contain_text("6 jobs selected")
    expect(picked.get_by_role("button")).to_have_text(
        ["Cancel 3 of 6…", "Run again 2 of 6…", "Delete 3 of 6…", "Clear"]
    )
    picked.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("dialog")).to_contain_text("The other 3 selected cannot be cancelled.")
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    outcome = page.locator("#outcome")
    expect(outcome).to_have_text("3 jobs cancelled or asked to stop.")
    expect(picked).to_be_hidden()


# ------------------------------------------------------------ keyboard


def test_the_keyboard_alone_finds_the_error_and_runs_the_job_again(
    queue: QueueService, open_page: OpenPage
) -> None:
    page = open_page()
    expect(page.locator("#failures li")).to_have_count(1)
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator(".failure .message")).to_be_visible()
    expect(page.locator(".failure pre")).to_be_visible()
    page.keyboard.press("t")
    expect(page.locator(".failure pre")).to_be_hidden()
    page.keyboard.press("r")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.keyboard.press("r")
    page.keyboard.press("Enter")
    expect(page.locator("#state")).to_contain_text("Ready")
    page.keyboard.press("u")
    expect(rows(page)).to_have_count(6)


def test_a_question_asked_again_at_once_is_not_answered_by_the_closing_of_the_first(
    queue: QueueService, open_page: OpenPage
) -> None:
    page = open_page()
    page.get_by_role("link", name="ValueError no such bucket: pictures").click()
    expect(page.locator("#state")).to_contain_text("Failed")
    page.keyboard.press("r")
    expect(page.get_by_role("dialog")).to_be_visible()
    # The browser tells of the closing in a task of its own, which the next key may overtake.
    page.evaluate(
        """() => new Promise((told) => {
            const dialog = document.querySelector("#confirm");
            dialog.addEventListener("close", told, { once: true });
            dialog.close();
            document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "r", bubbles: true }));
        })"""
    )
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.locator("#state")).to_contain_text("Ready")
    assert queue.counts()["queued"] == 4


def test_the_keyboard_alone_searches_selects_and_cancels(
    queue: QueueService, open_page: OpenPage
) -> None:
    page = open_page("jobs")
    expect(rows(page)).to_have_count(6)
    page.keyboard.press("/")
    page.keyboard.type("LATER")
    page.keyboard.press("Enter")
    expect(rows(page)).to_have_count(3)
    for key in "jxjkjxx":
        page.keyboard.press(key)
    expect(page.locator("#picked")).to_contain_text("1 job selected")
    page.keyboard.press("Escape")
    expect(page.locator("#picked")).to_be_hidden()
    for key in "xkx":
        page.keyboard.press(key)
    page.keyboard.press("c")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("2 jobs cancelled")
    expect(page.locator("#rows .badge.cancelled")).to_have_count(2)
    # The focus has stayed on its row, although that has changed.
    page.keyboard.press("Enter")
    expect(page.locator("#state")).to_contain_text("Cancelled")


def test_everything_is_reached_by_tab_with_a_focus_that_is_seen(
    queue: QueueService, open_page: OpenPage
) -> None:
    page = open_page("jobs?state=failed")
    expect(rows(page)).to_have_count(2)
    seen = []
    for _ in range(60):
        page.keyboard.press("Tab")
        focused = page.evaluate(
            """() => {
                const { activeElement: at } = document, style = getComputedStyle(at);
                const box = at.getBoundingClientRect();
                return at === document.body ? null : {
                    name: (at.getAttribute("aria-label") || at.textContent || at.id).trim(),
                    seen: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 1
                        && box.top >= 0 && box.height > 0 };
            }"""
        )
        if focused is None:
            break
        assert focused["seen"], focused
        seen.append(focused["name"])
    assert seen[0] == "Skip to the content"
    for name in ("Overview", "text", "Keyboard shortcuts", "Failed 2", "Select IMG_1", "IMG_1",
                 "Run all 2 again…"):  # fmt: skip
        assert name in seen, seen
    assert seen.index("Select IMG_1") + 1 == seen.index("IMG_1")


def test_the_help_tells_the_keys_and_can_switch_them_off(
    queue: QueueService, open_page: OpenPage
) -> None:
    page = open_page("jobs")
    expect(rows(page)).to_have_count(6)
    page.keyboard.press("?")
    help_ = page.get_by_role("dialog", name="Keyboard")
    expect(help_).to_contain_text("Next job")
    help_.get_by_label("Use single-key shortcuts").uncheck()
    help_.get_by_role("button", name="Close").click()
    page.keyboard.press("/")
    expect(page.locator("#text")).not_to_be_focused()


def test_keys_that_are_typed_into_a_field_do_nothing_else(
    queue: QueueService, open_page: OpenPage
) -> None:
    page = open_page("jobs")
    expect(rows(page)).to_have_count(6)
    page.locator("#text").press_sequentially("jxcr?/")
    expect(page.locator("#text")).to_have_value("jxcr?/")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(page.locator("#text")).not_to_be_focused()


# ------------------------------------------------------------ what jobs say


HOSTILE = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>\'"&amp;{{7*7}}'


def test_what_a_job_says_is_text_everywhere(
    make_queue: MakeQueue, open_page: OpenPage, address: str, database: Path
) -> None:
    gate = Gate()

    def work(queue: QueueService, item: Any) -> Any:
        if item["do"] == "fail":
            raise type(HOSTILE, (Exception,), {})(HOSTILE)
        if item["do"] == "run":
            queue.report_progress(1, 2, message=HOSTILE)
            gate.hold()
        return HOSTILE

    queue = make_queue(work)
    failed, done, running = (
        queue.enqueue({"do": what, "evil": HOSTILE}, label=HOSTILE)
        for what in ("fail", "done", "run")
    )
    queue.start()
    finished(queue, failed, done)
    gate.wait_held()
    sql(database, "INSERT INTO job (queue, item) VALUES (?, '1')", (HOSTILE,))
    page = open_page()
    expect(page.locator("#failures")).to_contain_text(HOSTILE)
    expect(page.locator("#queues")).to_contain_text(HOSTILE)
    page.get_by_role("link", name="Jobs", exact=True).click()
    expect(rows(page)).to_have_count(4)
    expect(page.locator("#rows .says .error")).to_contain_text(HOSTILE)
    expect(page.locator("#rows progress + .quiet")).to_contain_text(HOSTILE)
    page.locator("#queue").select_option(HOSTILE)
    expect(rows(page)).to_have_count(1)
    for job, place in ((failed, ".failure .message"), (failed, "#job-title"), (done, "#job-title"),
                       (running, "#progress p")):  # fmt: skip
        page.goto(f"{address}jobs/{job.id}")
        expect(page.locator(place)).to_contain_text(HOSTILE)
    assert page.evaluate("window.hacked") is None
    assert page.locator("main img, main script").count() == 0
    gate.open()


def test_a_hostile_address_is_text_as_well(queue: QueueService, open_page: OpenPage) -> None:
    page = open_page("jobs?text=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E&queue=%22%3E%3Cb%3E")
    expect(page.locator("#empty")).to_contain_text("No job matches")
    expect(page.locator("#text")).to_have_value("<img src=x onerror=alert(1)>")
    assert page.locator("main img, main b:not(#states b)").count() == 0


# ------------------------------------------------------------ addresses


def test_back_reload_and_a_shared_address_show_the_same(
    queue: QueueService, open_page: OpenPage
) -> None:
    page = open_page()
    page.get_by_role("link", name="15 min").click()
    expect(page).to_have_url(re.compile(r"span=900$"))
    page.locator("#queues").get_by_role("link", name="2 failed").click()
    expect(rows(page)).to_have_count(2)
    expect(page.locator("#queue")).to_have_value("work")
    page.reload()
    expect(rows(page)).to_have_count(2)
    expect(page.locator("#states [aria-current]")).to_contain_text("Failed")
    rows(page).first.get_by_role("link").click()
    expect(page.locator(".failure")).to_be_visible()
    page.go_back()
    expect(rows(page)).to_have_count(2)
    page.go_back()
    expect(page.locator("#spans [aria-current]")).to_have_text("15 min")


def test_older_jobs_are_on_the_next_page(queue: QueueService, open_page: OpenPage) -> None:
    queue.enqueue_many(range(60))
    page = open_page("jobs")
    expect(rows(page)).to_have_count(50)
    page.get_by_role("link", name="Older").click()
    expect(rows(page)).to_have_count(16)
    page.get_by_role("link", name="Newest").click()
    expect(rows(page)).to_have_count(50)


def test_an_empty_dashboard_says_what_to_do(open_page: OpenPage) -> None:
    page = open_page()
    expect(page.locator("#queues")).to_contain_text("sprag enqueue")
    expect(page.locator("#failures")).to_contain_text("No job has failed")
    expect(page.locator("#processes")).to_contain_text("sprag work")
    page.get_by_role("link", name="Jobs", exact=True).click()
    expect(page.locator("#empty")).to_contain_text("No jobs yet")


# ------------------------------------------------------------ looks


@pytest.mark.parametrize("path", ["", "jobs", "jobs?state=failed", "jobs/{failed}"])
def test_a_phone_shows_all_without_scrolling_sideways(
    queue: QueueService, open_page: OpenPage, path: str
) -> None:
    queue.enqueue({"fail": "x" * 300}, label="w" * 200)
    queue.start()
    [failed, *_] = queue.jobs("failed")
    page = open_page(path.format(failed=failed.id), **PHONE)
    expect(page.locator("#totals li, #rows tr, .failure").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    if path.startswith("jobs?"):
        boxes = [rows(page).first.locator(part).bounding_box() for part in (".state", ".name")]
        assert boxes[1]["y"] > boxes[0]["y"]  # a card, not a line


# Of every text the worst contrast with what is behind it, as WCAG 2 defines it.
CONTRAST = """() => {
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const rgba = (colour, under) => {
        canvas.fillStyle = under; canvas.fillRect(0, 0, 1, 1);
        canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const css = (c) => `rgb(${c.join(" ")})`;
    const behind = (element) => {
        const under = element.parentElement ? behind(element.parentElement) : "white";
        return css(rgba(getComputedStyle(element).backgroundColor, under));
    };
    const light = (c) => c.map((v) => v / 255)
        .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
        .reduce((sum, v, n) => sum + v * [0.2126, 0.7152, 0.0722][n], 0);
    const found = [];
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const element = texts.currentNode.parentElement;
        if (!texts.currentNode.data.trim() || !element.checkVisibility()) continue;
        if (element.closest(":disabled, noscript, svg g")) continue;
        const under = behind(element.closest("svg")?.parentElement ?? element);
        const style = getComputedStyle(element);
        const colour = element.closest("svg") ? style.fill : style.color;
        const [a, b] = [rgba(colour, under), rgba(under, "white")].map(light).sort((x, y) => y - x);
        found.push([(a + 0.05) / (b + 0.05), texts.currentNode.data]);
    }
    return found.sort((x, y) => x[0] - y[0]).slice(0, 3);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["", "jobs", "jobs?state=failed", "jobs/{failed}"])
def test_every_text_has_the_contrast_of_aa_by_day_and_in_the_dark(
    queue: QueueService, open_page: OpenPage, path: str, scheme: str
) -> None:
    [failed, *_] = queue.jobs("failed")
    page = open_page(path.format(failed=failed.id), color_scheme=scheme)
    expect(page.locator("#totals li, #rows tr, .failure").first).to_be_visible()
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground))) > 384) == (scheme == "light")
    worst = page.evaluate(CONTRAST)
    assert worst[0][0] >= 4.5, worst


def test_nothing_moves_for_those_who_do_not_want_it(
    queue: QueueService, open_page: OpenPage
) -> None:
    page = open_page("jobs", reduced_motion="reduce")
    expect(rows(page)).to_have_count(6)
    assert page.evaluate("document.getAnimations().length") == 0


# ------------------------------------------------------------ signing in


def test_a_person_signs_in_stays_signed_in_and_signs_out(
    queue: QueueService, engine: Engine, browser: Browser
) -> None:
    inner = dashboard(lambda: QueueFile(engine), token=TOKEN, secret=SECRET)
    with served(Starlette(routes=[Mount("/ops", inner)])) as url, new_context(browser) as context:
        page = context.new_page()
        page.goto(f"{url}/ops/jobs?state=failed&text=no+such")
        page.get_by_label("The dashboard's token").fill("something else")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("not the token")
        page.get_by_label("The dashboard's token").fill(TOKEN)
        page.get_by_role("button", name="Sign in").click()
        expect(page).to_have_url(f"{url}/ops/jobs?state=failed&text=no+such")
        expect(rows(page)).to_have_count(2)
        page.get_by_role("button", name="Run all that match again…").click()
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_contain_text("2 jobs will run again")
        # From another site, the browser leaves the cookie out at first.
        link = f"<a href='{url}/ops/jobs?state=queued'>look</a>"
        context.route("http://chat.example/", lambda route: route.fulfill(
            body=link, content_type="text/html"))  # fmt: skip
        page.goto("http://chat.example/")
        page.get_by_role("link", name="look").click()
        expect(rows(page)).to_have_count(5)
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_label("The dashboard's token")).to_be_visible()


def test_a_page_whose_session_has_ended_asks_for_the_token(
    queue: QueueService, engine: Engine, browser: Browser
) -> None:
    inner = dashboard(lambda: QueueFile(engine), token=TOKEN, secret=SECRET)
    with served(inner) as url, new_context(browser) as context:
        page = context.new_page()
        page.goto(f"{url}/jobs")
        page.get_by_label("The dashboard's token").fill(TOKEN)
        page.keyboard.press("Enter")
        expect(rows(page)).to_have_count(6)
        context.clear_cookies()
        queue.enqueue(7)
        expect(page.get_by_label("The dashboard's token")).to_be_visible()
