"""Answers and signals take different ways: which of them a page hears of first."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.site import Site
from tests.support import wait

Write = Callable[[str, str], Path]

# The pattern of the spec: the page asks again whenever its job has moved.
MODULE = """
import { Module } from "./sprag.js";
export class Upload extends Module {
  onStart() {
    window.heard = [];
    this.onSocket("sprag:queue.job.changed", ({ job_id, status }) => {
      heard.push(`${job_id} ${status}`);
      if (job_id === this.state.job_id) this.callAction("job_status", { job_id }).then(this.show);
    });
    this.onSocket("sprag:action.finished", ({ task_id }) => heard.push(task_id));
  }
  onUpload() {
    this.callAction("upload").then(this.show);
  }
  async onAwait() {
    const { value } = await this.callAction("upload");
    this.setState(value);
  }
  onTwo() {
    this.callAction("job_status", { job_id: "a" }).then(() => heard.push("first"));
    this.callAction("other", { job_id: "a" }).then(() => heard.push("second"));
  }
  onSlow() {
    this.callAction("slow").then(({ value }) => heard.push(value));
  }
  show({ value }) {
    this.setState(value);
  }
}
"""
HTML = """
<p id="status" data-text="status"></p>
<button data-on-click="onUpload">upload</button> <button data-on-click="onAwait">await</button>
<button data-on-click="onTwo">two</button> <button data-on-click="onSlow">slow</button>
"""


class Held:
    """An action whose answer comes when the test says so, while the loop serves others."""

    def __init__(self, answer: Any) -> None:
        self.called = threading.Event()
        self._answer = answer
        self._open = threading.Event()

    def __call__(self, payload: dict[str, Any]) -> Any:
        self.called.set()
        wait(self._open, "the answer's turn")
        return self._answer

    def answer(self) -> None:
        self._open.set()


@pytest.fixture
def upload(site: Site, page: Page, write: Write) -> Iterator[Held]:
    """The action `upload`, of a page that is open."""
    held = Held({"job_id": "a", "status": "queued"})
    site.actions["upload"] = held
    site.actions["job_status"] = lambda payload: {"status": site.journal[-1]["status"]}
    site.show(page, HTML, write("upload.js", MODULE))
    site.wait_for_listener()
    yield held
    held.answer()


def wait_heard(page: Page, heard: list[str]) -> None:
    page.wait_for_function("(count) => heard.length >= count", arg=len(heard))
    assert page.evaluate("heard") == heard


@pytest.mark.parametrize("button", ["upload", "await"])
def test_a_job_that_is_done_before_its_action_is_answered_is_shown_as_done(
    site: Site, page: Page, upload: Held, button: str
) -> None:
    page.get_by_role("button", name=button).click()
    wait(upload.called)
    for event, status in (("enqueue", "queued"), ("start", "running"), ("complete", "completed")):
        site.move(job_id="a", event=event, status=status)
    # What the page knew before goes on meanwhile.
    site.move(job_id="b", event="start", status="running")
    site.move(job_id="b", event="complete", status="completed")
    wait_heard(page, ["b running", "b completed"])
    upload.answer()
    expect(page.locator("#status")).to_have_text("completed")
    wait_heard(
        page, ["b running", "b completed", "a queued", "a running", "a completed"]
    )  # fmt: skip


def test_a_job_that_another_call_began_is_told_when_the_calls_of_that_time_are_answered(
    site: Site, page: Page, upload: Held
) -> None:
    page.get_by_role("button", name="upload").click()
    wait(upload.called)
    site.move(job_id="c", event="enqueue", status="queued")
    site.move(job_id="b", event="start", status="running")
    wait_heard(page, ["b running"])
    upload.answer()
    wait_heard(page, ["b running", "c queued"])


def test_a_call_that_takes_long_does_not_keep_other_jobs_from_the_page(
    site: Site, page: Page, upload: Held
) -> None:
    page.get_by_role("button", name="upload").click()
    wait(upload.called)
    site.move(job_id="c", event="enqueue", status="queued")
    wait_heard(page, ["c queued"])


def test_a_deferred_action_has_finished_only_after_its_task_was_told(
    site: Site, page: Page, upload: Held
) -> None:
    site.actions["slow"] = slow = Held("task 1")
    page.get_by_role("button", name="slow").click()
    wait(slow.called)
    site.tell({"signal": "sprag:action.finished", "task_id": "task 1"})
    site.move(job_id="b", event="start", status="running")
    wait_heard(page, ["b running"])
    slow.answer()
    page.wait_for_function("() => heard.length === 3")
    assert page.evaluate("heard") == ["b running", "task 1", "task 1"]


def test_answers_about_one_job_come_in_the_order_of_the_calls(
    site: Site, page: Page, upload: Held
) -> None:
    site.actions["job_status"] = first = Held({})
    site.actions["other"] = lambda payload: {}
    with page.expect_response("**/actions/other"):
        page.get_by_role("button", name="two").click()
        wait(first.called)
    assert page.evaluate("heard") == []
    first.answer()
    wait_heard(page, ["first", "second"])
