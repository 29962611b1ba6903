"""The pages of the guide and of the examples, as a person uses them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.chromium import Console, new_context
from tests.recipes.conftest import copy_examples, fill_up, running
from tests.recipes.test_documents import write_site
from tests.test_readme import write_page


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


def test_what_the_page_of_the_readme_refused_stays_there_while_a_job_moves_on(
    page: Page, console: Console, tmp_path: Path
) -> None:
    console.expect("status of 400")
    with running(write_page(tmp_path), "sprag", "run", "main:app", "--port", "0") as program:
        page.goto(program.url)
        page.wait_for_selector("html[data-sprag=ready]")
        count, message = page.get_by_role("button", name="Count"), page.locator("span")
        alert = page.get_by_role("alert")
        page.fill("#to", "1000000000")
        count.click()
        expect(message).to_contain_text("at ")
        page.fill("#to", "0")
        count.click()
        expect(alert).to_contain_text("greater than or equal to 1")
        for _ in range(2):
            expect(message).not_to_have_text(message.inner_text())
        expect(alert).to_contain_text("greater than or equal to 1")
        page.get_by_role("button", name="Cancel").click()
        expect(message).to_have_text("Cancelled")
        page.fill("#to", "5")
        count.click()
        expect(message).to_have_text("Done")
        expect(page.locator("[role=alert]")).to_be_empty()
        page.goto("about:blank")
        assert program.stop() == 0


def test_the_pages_of_readme_and_guide_show_no_job_and_no_trouble_before_their_code_has_come(
    browser: Browser, tmp_path: Path
) -> None:
    readme, guide = write_page(tmp_path / "readme"), write_site(tmp_path / "guide")
    shown = []
    with new_context(browser, java_script_enabled=False) as context:
        for folder, path in ((readme, "/"), (guide, "/clock")):
            with running(folder, "sprag", "run", "main:app", "--port", "0") as program:
                page = context.new_page()
                page.goto(program.url + path)
                shown.append(page.locator("body").inner_text().split())
    assert shown == [["Count"], ["s", "Reset"]]


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
        expect(row.get_by_role("button")).to_be_hidden()
        page.reload()
        expect(row).to_contain_text("cancelled")
        page.goto("about:blank")
        program.stop()


def _readme(folder: Path) -> str:
    fill_up(write_page(folder) / "count.db", "counting", folder / "main.py")
    return "main:app"


def _guide(folder: Path) -> str:
    fill_up(write_site(folder) / "site.db", "image_processing", folder / "queues.py")
    return "main:app"


def _examples(folder: Path) -> str:
    fill_up(folder / "counting.db", "counting", copy_examples(folder) / "counting.py")
    return "examples.plain:app"


@pytest.mark.parametrize("write", [_readme, _guide, _examples], ids=lambda write: write.__name__)
def test_every_page_of_the_documents_says_that_the_queue_is_full(
    write: Callable[[Path], str], page: Page, tmp_path: Path
) -> None:
    with running(tmp_path, "sprag", "run", write(tmp_path), "--port", "0") as program:
        page.goto(program.url)
        page.wait_for_selector("html[data-sprag=ready]")
        if page.locator("input[type=file]").count():
            page.locator("input[type=file]").set_input_files(
                {"name": "a.png", "mimeType": "image/png", "buffer": b"123"}
            )
        else:
            page.get_by_role("button", name="Count").click()
        expect(page.get_by_role("alert")).to_have_text("The queue is full: try again later")
        expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
        page.goto("about:blank")
        assert program.stop() == 0
