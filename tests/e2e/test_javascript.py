"""A page that is written in JavaScript, and the dashboard of its application."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.chromium import Console
from tests.e2e.pages import expect_moves, job_id, line, say, status, visit
from tests.e2e.server import Server


def test_a_file_becomes_a_job_that_is_seen_through(
    javascript: Server, page: Page, tmp_path: Path
) -> None:
    (tmp_path / "poem.txt").write_text("Über allen Gipfeln")
    javascript.hold("say")
    visit(page, javascript)
    with page.expect_response("**/actions/upload") as answer:
        page.get_by_label("Text").set_input_files(tmp_path / "poem.txt")
    job = line(page, answer.value.json()["value"]["job_id"])
    expect(job.locator(".label")).to_have_text("poem.txt")
    expect(job.locator(".message")).to_have_text("Über allen Gipfeln")
    page.wait_for_function("() => document.querySelector('#jobs progress').value === 50")
    javascript.let_go("say")
    expect(status(job)).to_have_text("completed")
    expect(job.locator(".result")).to_have_text("Über allen Gipfeln")
    expect_moves(page, javascript)


def test_jobs_are_cancelled_waiting_and_running_and_fail_with_what_they_say(
    javascript: Server, page: Page
) -> None:
    visit(page, javascript)
    javascript.hold("say")
    running = [say(page, f"job {number}") for number in range(4)]
    for job in running:
        expect(status(job)).to_have_text("running")
    waiting = say(page, "later", "Fail")
    expect(status(waiting)).to_have_text("queued")
    for job in (waiting, running[0]):
        job.get_by_role("button", name="Cancel").click()
        expect(status(job)).to_have_text("cancelled")
    javascript.let_go("say")
    for job in running[1:]:
        expect(status(job)).to_have_text("completed")
    failing = say(page, "no good", "Fail")
    expect(status(failing)).to_have_text("failed")
    expect(failing.locator(".error")).to_have_text("no good")
    expect_moves(page, javascript)


def test_what_a_deferred_action_gives_comes_by_itself(
    javascript: Server, page: Page, console: Console
) -> None:
    visit(page, javascript)
    for text, told in (("hello", "hello"), ("", "Something went wrong on the server")):
        page.get_by_label("What to say").fill(text)
        with page.expect_response("**/actions/later") as answer:
            page.get_by_role("button", name="Later").click()
        assert answer.value.status == 202
        expect(page.locator("#told")).to_have_text(told)


def test_a_page_without_python_may_not_compile_anything(
    javascript: Server, page: Page, console: Console
) -> None:
    answer = page.goto(javascript.url)
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "unsafe-eval" not in policy
    visit(page, javascript)
    console.expect("Content Security Policy")
    # Scripts of a test are above the policy, what they put into the page is not.
    page.evaluate("() => document.body.setAttribute('onclick', 'window.hacked = 1')")
    page.locator("h1").click()
    assert page.evaluate("() => window.hacked") is None


def test_the_dashboard_is_beside_the_page_and_shows_its_jobs(
    javascript: Server, page: Page
) -> None:
    visit(page, javascript)
    job = say(page, "not at all good", "Fail")
    expect(status(job)).to_have_text("failed")
    id_ = job_id(job)
    answer = page.goto(f"{javascript.url}ops/jobs")
    assert answer is not None
    assert "unsafe-eval" not in answer.headers["content-security-policy"]
    page.locator("#rows").get_by_role("link", name="not at all good").click()
    expect(page).to_have_url(f"{javascript.url}ops/jobs/{id_}")
    expect(page.locator(".failure .message")).to_contain_text("not at all good")
