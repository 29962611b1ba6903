"""A page over servers that die, lines that break and tabs that sleep: it ends right by itself."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.chromium import Console
from tests.e2e.pages import (
    LOST,
    expect_moves,
    expect_percent,
    expect_status,
    job_id,
    moves,
    say,
    status,
    upload,
    visit,
)
from tests.e2e.server import Server


@pytest.fixture(params=["WebSocket", "events"])
def line(request: pytest.FixtureRequest, page: Page, console: Console) -> str:
    """Of what kind the page's line to the server is."""
    if request.param == "events":
        page.route_web_socket("**/_sprag/socket*", lambda socket: socket.close())
    console.expect(LOST)
    return str(request.param)


@contextmanager
def no_reload(page: Page) -> Iterator[None]:
    """The page at the end of the block is the one of its beginning."""
    page.evaluate("() => { window.same = true }")
    yield
    assert page.evaluate("() => window.same")


def test_a_killed_server_comes_back_and_the_page_sees_the_job_through(
    images: Server, page: Page, line: str, photo: Path
) -> None:
    images.hold("load", "resize")
    visit(page, images)
    job = upload(page, photo)
    images.let_go("load")
    expect_percent(page, 67)
    with no_reload(page):
        images.kill()
        images.start()
        images.let_go("resize")
        expect_status(page, "completed")
        expect(page.locator("#output")).to_have_text("1200x800")
        expect_moves(page, images, job)
    events = [move.split()[2] for move in moves(page)]
    assert events == ["enqueue", "start", "recover", "start", "complete"]


def test_a_page_is_right_after_each_of_several_deaths(
    javascript: Server, page: Page, console: Console
) -> None:
    console.expect(LOST)
    visit(page, javascript)
    with no_reload(page):
        for number in range(2):
            javascript.hold("say")
            job = say(page, f"job {number}")
            expect(status(job)).to_have_text("running")
            javascript.kill()
            javascript.let_go("say")
            javascript.start()
            expect(status(job)).to_have_text("completed")
        expect_moves(page, javascript)
        assert len(moves(page)) == 2 * 5


@contextmanager
def asleep(browser: Browser) -> Iterator[None]:
    """During the block no page of the browser runs."""
    processes = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    renderers = [int(process["id"]) for process in processes if process["type"] == "renderer"]
    assert renderers
    for renderer in renderers:
        os.kill(renderer, signal.SIGSTOP)
    try:
        yield
    finally:
        for renderer in renderers:
            os.kill(renderer, signal.SIGCONT)


@pytest.mark.parametrize("server", ["lives on", "dies"])
def test_a_tab_that_slept_catches_up_when_it_wakes(
    javascript: Server, page: Page, browser: Browser, line: str, server: str
) -> None:
    visit(page, javascript)
    javascript.hold("say")
    job = say(page, "good night")
    expect(status(job)).to_have_text("running")
    id_ = job_id(job)
    with no_reload(page):
        with asleep(browser):
            if server == "dies":
                javascript.kill()
            javascript.let_go("say")
            if server == "dies":
                javascript.start()
            javascript.wait_finished(id_)
        expect(status(job)).to_have_text("completed")
        expect_moves(page, javascript)


def test_a_page_without_a_network_catches_up_when_it_has_one(
    javascript: Server, page: Page, line: str
) -> None:
    visit(page, javascript)
    javascript.hold("say")
    job = say(page, "in the tunnel")
    expect(status(job)).to_have_text("running")
    with no_reload(page):
        page.context.set_offline(True)
        page.evaluate("() => fetch('/').then(() => { throw 'online' }, () => null)")
        javascript.let_go("say")
        javascript.wait_finished(job_id(job))
        expect(status(job)).to_have_text("running")
        page.context.set_offline(False)
        expect(status(job)).to_have_text("completed")
        expect_moves(page, javascript)
