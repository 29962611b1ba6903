"""The application of the spec, with its snippets as they are written, in front of a person."""

from __future__ import annotations

import shutil
import textwrap
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.chromium import Console
from tests.e2e.pages import (
    expect_moves,
    expect_percent,
    expect_status,
    upload,
    visit,
)
from tests.e2e.server import APPS, Server
from tests.test_spec_page import IMAGE_QUEUE

REGISTER = """
app = App(
    routes="app.routes",
    shell=app_shell,
    providers={
        "image_processing": ImageQueue(),
    },
)
"""

ENQUEUE = """
@action(schema=Schema("upload_image", {
    "file_path": Field(str, required=True),
}))
def upload_image(self, file_path):
    result = self.enqueue("image_processing", {
        "file_path": file_path,
        "resize_to": (1200, 800),
    })
    return result
"""

STATUS = """
@action(name="job_status", schema=Schema("job_status", {"job_id": Field(str, required=True)}))
def queue_status(self, job_id):
    return self.job_status("image_processing", job_id)
"""

MODULE = """
class UploadModule(Module):
    def on_start(self):
        self.on_socket("sprag:queue.job.changed", self._on_job_update)

    def _on_job_update(self, data):
        if data.get("job_id") == self.state.get("job_id"):
            self.call_action("job_status", {"job_id": data["job_id"]}).then(self._on_status)

    def _on_status(self, result):
        self.set_state(result.value or {})
"""

CANCEL = """
class UploadModule(Module):
    def on_cancel(self, event, target):
        self.call_action("cancel_job", {"job_id": self.state["job_id"]})
"""

CANCEL_ACTION = """
@action(schema=Schema("cancel_job", {"job_id": Field(str, required=True)}))
def cancel_job(self, job_id):
    return self.request_job_cancel("image_processing", job_id)
"""


@pytest.mark.parametrize(
    ("file", "snippet"),
    [
        ("main.py", IMAGE_QUEUE.partition("import QueueService\n")[2]),
        ("main.py", REGISTER),
        ("app/routes/upload.py", textwrap.indent(ENQUEUE, "    ")),
        ("app/routes/upload.py", textwrap.indent(STATUS, "    ")),
        ("app/routes/upload.py", textwrap.indent(CANCEL_ACTION, "    ")),
        ("app/routes/upload_module.py", MODULE),
        # The class is there already: what this snippet adds to it.
        ("app/routes/upload_module.py", CANCEL.partition("(Module):")[2]),
    ],
    ids=["queue", "register", "enqueue", "status", "module", "cancel", "cancel action"],
)
def test_the_application_is_written_as_the_spec_has_it(file: str, snippet: str) -> None:
    assert snippet in (APPS / "images" / file).read_text()


def test_a_person_sees_an_image_through_from_its_file_to_its_result(
    images: Server, page: Page, photo: Path
) -> None:
    images.hold("load", "resize", "save")
    visit(page, images)
    expect(page.locator("section")).to_be_hidden()
    job_id = upload(page, photo)
    expect_status(page, "running")
    for place, percent, says in (
        ("load", 33, "Loading image..."),
        ("resize", 67, "Resizing..."),
        ("save", 100, "Saving..."),
    ):
        expect(page.locator("#message")).to_have_text(says)
        expect_percent(page, percent)
        images.let_go(place)
    expect_status(page, "completed")
    expect(page.locator("#output")).to_have_text("1200x800")
    expect_moves(page, images, job_id)
    [sent] = images.folder.glob("*-photo.jpg")
    assert sent.read_bytes() == photo.read_bytes()


def test_an_image_that_waits_behind_four_others_is_cancelled_without_a_start(
    images: Server, page: Page, photo: Path
) -> None:
    images.hold("load")
    visit(page, images)
    # In a tab of their own: the page of the spec shows one job, and an answer about an earlier one
    # may still be on its way to it when the next is accepted.
    with page.context.new_page() as tab:
        visit(tab, images)
        for number in range(4):
            upload(tab, Path(shutil.copy(photo, photo.with_name(f"{number}.jpg"))))
    expect(page.locator("#moves li", has_text="start")).to_have_count(4)
    job_id = upload(page, photo)
    expect_status(page, "queued")
    page.get_by_role("button", name="Cancel").click()
    expect_status(page, "cancelled")
    images.let_go("load")
    expect(page.locator("#moves li", has_text="completed")).to_have_count(4)
    expect_moves(page, images)
    assert [move.split()[2] for move in images.moves(job_id)] == ["enqueue", "cancel"]


def test_a_running_image_is_cancelled_where_it_looks_however_often_that_is_asked(
    images: Server, page: Page, photo: Path
) -> None:
    images.hold("load")
    visit(page, images)
    job_id = upload(page, photo)
    expect(page.locator("#message")).to_have_text("Loading image...")
    cancel = page.get_by_role("button", name="Cancel")
    cancel.click()
    expect_status(page, "cancelling")
    with page.expect_response("**/actions/cancel_job") as again:
        cancel.click()
    value = again.value.json()["value"]
    assert (value["accepted"], value["status"]) == (True, "cancelling")
    images.let_go("load")
    expect_status(page, "cancelled")
    expect_moves(page, images, job_id)
    events = [move.split()[2] for move in images.moves(job_id)]
    assert events == ["enqueue", "start", "cancel", "confirm"]
    assert not list(images.folder.glob("resized.png"))


def test_a_finished_image_cannot_be_cancelled_any_more(
    images: Server, page: Page, photo: Path
) -> None:
    visit(page, images)
    job_id = upload(page, photo)
    expect_status(page, "completed")
    with page.expect_response("**/actions/cancel_job") as answer:
        page.get_by_role("button", name="Cancel").click()
    value = answer.value.json()["value"]
    assert (value["accepted"], value["message"]) == (False, "Too late: it is completed")
    assert (value["job_id"], value["job"]["status"]) == (job_id, "completed")
    expect_status(page, "completed")
    expect_moves(page, images, job_id)


def test_a_file_that_is_no_image_fails_and_the_page_says_why(
    images: Server, page: Page, tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    visit(page, images)
    upload(page, tmp_path / "notes.txt")
    expect_status(page, "failed")
    expect(page.locator("#message")).to_contain_text("cannot identify image file")
    expect(page.locator("#message")).to_contain_text("-notes.txt")


def test_a_tab_that_is_closed_and_opened_again_finds_the_job_and_goes_on(
    images: Server, page: Page, photo: Path
) -> None:
    images.hold("resize")
    visit(page, images)
    job_id = upload(page, photo)
    expect_percent(page, 67)
    context = page.context
    page.close()
    with context.new_page() as again:
        visit(again, images)
        expect_status(again, "running")
        expect_percent(again, 67)
        images.let_go("resize")
        expect_status(again, "completed")
        expect(again.locator("#moves li")).to_have_text(images.moves(job_id)[2:])


def test_python_in_the_page_may_compile_itself_and_nothing_else_may_be_added(
    images: Server, page: Page, console: Console
) -> None:
    console.expect("404")
    policy = page.goto(images.url).headers["content-security-policy"]  # type: ignore[union-attr]
    assert "script-src 'self' 'unsafe-eval';" in policy
    assert page.evaluate("() => fetch('/app/routes/upload.py').then((a) => a.status)") == 404
