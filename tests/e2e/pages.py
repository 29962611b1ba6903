"""What people do with the pages of the applications here, and what they see there."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.e2e.server import Server

LOST = r"WebSocket connection to .* failed|net::ERR_|failed: network: "
"""What is said in the console of a server that cannot be reached, or dies during a call."""


def visit(page: Page, server: Server) -> None:
    """Open the application, and return when its modules run."""
    page.goto(server.url)
    page.wait_for_selector("html[data-sprag=ready]")


def moves(page: Page) -> list[str]:
    """What the page was told, in that order."""
    return page.locator("#moves li").all_text_contents()


def expect_moves(page: Page, server: Server, job_id: str = "%") -> None:
    """The page has been told of each move of the job, or of all, once, in the journal's order."""
    expect(page.locator("#moves li")).to_have_text(server.moves(job_id))


def upload(page: Page, file: Path) -> str:
    """Choose the file, in the application of the spec; the id of its job, once it is accepted."""
    with page.expect_response("**/actions/upload_image") as answer:
        page.get_by_label("Image").set_input_files(file)
    return str(answer.value.json()["value"]["job_id"])


def expect_status(page: Page, status: str) -> None:
    """Of the one job that the page of the spec shows."""
    expect(page.locator("#status")).to_have_text(status)


def expect_percent(page: Page, percent: int) -> None:
    page.wait_for_function(
        "(percent) => Math.round(document.querySelector('progress').value) === percent",
        arg=percent,
    )


def say(page: Page, text: str, button: str = "Say") -> Locator:
    """Start a job that says so, in the other application; its line."""
    page.get_by_label("What to say").fill(text)
    with page.expect_response("**/actions/say") as answer:
        page.get_by_role("button", name=button, exact=True).click()
    return line(page, str(answer.value.json()["value"]["job_id"]))


def line(page: Page, job_id: str) -> Locator:
    return page.locator(f"#jobs li[id='{job_id}']")


def job_id(line: Locator) -> str:
    return str(line.get_attribute("id"))


def status(line: Locator) -> Locator:
    return line.locator(".status")
