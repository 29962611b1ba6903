from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.site import Site

SPEC = """
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
HTML = """
<main data-module="UploadModule">
  <p id="message" data-text="message"></p>
  <progress max="100" data-attr-value="progress.percent"></progress>
  <button data-on-click="on_cancel">Cancel</button>
</main>
"""


def test_the_snippets_of_the_spec_run_as_they_are_written(
    site: Site, page: Page, tmp_path: Path
) -> None:
    upload = tmp_path / "upload_module.py"
    method = CANCEL.partition("(Module):\n")[2]
    upload.write_text("from sprag import Module\n" + SPEC + "\n" + method)
    site.actions["job_status"] = lambda payload: {
        "message": f"Resizing {payload['job_id']}",
        "progress": {"percent": 66},
    }
    site.actions["cancel_job"] = lambda payload: {"accepted": True}
    site.show(page, HTML, upload, job_id="a1", message="")
    site.wait_for_listener()
    site.move(job_id="other")
    site.move(job_id="a1")
    expect(page.locator("#message")).to_have_text("Resizing a1")
    expect(page.locator("progress")).to_have_attribute("value", "66")
    with page.expect_response("**/actions/cancel_job"):
        page.get_by_role("button").click()
    # Of the other job nothing was asked.
    assert site.called == [("job_status", {"job_id": "a1"}), ("cancel_job", {"job_id": "a1"})]
