"""The pages of the guide and of the examples, as a person uses them."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.chromium import Console
from tests.recipes.conftest import running
from tests.recipes.test_documents import write_site


def test_the_pages_of_the_guide_upload_count_and_say_what_is_wrong(
    page: Page, console: Console, tmp_path: Path
) -> None:
    console.expect("status of 400")  # the file that is empty
    with running(write_site(tmp_path), "sprag", "run", "main:app", "--port", "0") as program:
        page.goto(program.url)
        page.wait_for_selector("html[data-sprag=ready]")
        files = page.locator("input[type=file]")
        files.set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": b"123"})
        row = page.locator("li.done")
        expect(row).to_contain_text("a.png: Done")
        expect(row.locator("button")).to_be_hidden()
        files.set_input_files({"name": "b.png", "mimeType": "image/png", "buffer": b""})
        expect(page.get_by_role("alert")).to_have_text("The file is empty")
        page.goto(f"{program.url}/clock")
        expect(page.locator("span")).to_have_text("1")
        page.get_by_role("button").click()
        expect(page.locator("span")).to_have_text("0")
        expect(page.get_by_text("No connection")).to_be_hidden()
        page.goto("about:blank")  # or it would say that its server is gone
        assert program.stop() == 0


def test_the_page_of_the_examples_counts_and_cancels_under_a_prefix(
    page: Page, tmp_path: Path
) -> None:
    command = ("uvicorn", "examples.in_fastapi:api", "--port", "0")
    with running(tmp_path, *command) as program:
        page.goto(f"{program.url}/jobs/")
        page.wait_for_selector("html[data-sprag=ready]")
        page.get_by_role("button", name="Count to 20").click()
        row = page.locator("li")
        expect(row).to_contain_text("in process")
        row.get_by_role("button", name="Cancel").click()
        expect(row).to_contain_text("cancelled")
        page.reload()
        expect(row).to_contain_text("cancelled")
        page.goto("about:blank")
        program.stop()
