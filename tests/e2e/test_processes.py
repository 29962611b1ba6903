"""Several server processes on one file: whichever runs a job, every page is told of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.chromium import Console
from tests.e2e.pages import LOST, expect_moves, job_id, say, status, visit
from tests.e2e.server import serving
from tests.support import sql


def test_a_job_is_run_by_one_process_and_seen_at_the_other(
    tmp_path: Path, page: Page, console: Console
) -> None:
    console.expect(LOST)  # the servers end before the page
    with (
        serving("javascript", tmp_path, RUN_NO_JOBS="1") as asked,
        serving("javascript", tmp_path) as working,
    ):
        asked.hold("say")
        visit(page, asked)
        job = say(page, "far away")
        expect(status(job)).to_have_text("running")
        page.wait_for_function("() => document.querySelector('#jobs progress').value === 50")
        [(result,)] = sql(
            asked.database, "SELECT pid FROM owner WHERE id IN (SELECT owner FROM job)"
        )
        assert result == working.pid
        job.get_by_role("button", name="Cancel").click()
        expect(status(job)).to_have_text("cancelled")
        asked.let_go("say")
        other = say(page, "once more")
        expect(other.locator(".result")).to_have_text("once more")
        expect_moves(page, asked)


def test_one_port_with_two_workers_tells_every_page_everything(
    tmp_path: Path, new_session: Callable[[], Page], console: Console
) -> None:
    console.expect(LOST)  # the servers end before the pages
    with serving("javascript", tmp_path, "--workers", "2", WORKERS="1") as server:
        server.hold("say")
        first, second = new_session(), new_session()
        for page in (first, second):
            visit(page, server)
        # Each process runs one at a time: that both run shows that there are two.
        jobs = [say(first, "one"), say(second, "two")]
        for job in jobs:
            expect(status(job)).to_have_text("running")
        rows = sql(server.database, "SELECT DISTINCT owner FROM job WHERE status = 'running'")
        assert len(rows) == 2
        server.let_go("say")
        for page, job in zip((first, second), jobs, strict=True):
            expect(status(job)).to_have_text("completed")
            expect_moves(page, server, job_id(job))
