"""A real, headless Chromium for tests, and pages that fail a test by what their console says.

Folders whose tests need one have its fixtures in their conftest.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Page,
    expect,
    sync_playwright,
)

from tests.support import DEADLINE

# The first has no windows, and so opens a page in a third of the time.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def find_chromium() -> str:
    """The path of a Chromium that is installed."""
    for name in NAMES:
        path = shutil.which(name)
        if path:
            return path
    pytest.fail(
        f"this test needs a real browser, and none of {', '.join(NAMES)} is in PATH: install "
        "Chromium (Debian: apt-get install chromium-headless-shell fonts-dejavu-core)",
        pytrace=False,
    )


@contextmanager
def chromium() -> Iterator[Browser]:
    """One that runs until the end of the block. To start it takes about a second."""
    # Chromium cannot make its sandbox as root, which is who a container's tests are.
    sandbox = () if os.geteuid() else ("--no-sandbox",)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(), args=[*QUIET, *sandbox]
        )
        try:
            yield browser
        finally:
            browser.close()


class Console:
    """What the pages of a test say: an error that was not expected fails the test."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self.lines: list[str] = []
        self._expected: list[str] = []

    def watch(self, page: Page) -> None:
        page.on("console", self._said)
        page.on("pageerror", self._raised)

    def expect(self, *patterns: str) -> None:
        """Errors in which one of these is found are right."""
        self._expected += patterns

    @property
    def unexpected(self) -> list[str]:
        return [
            error
            for error in self.errors
            if not any(re.search(pattern, error) for pattern in self._expected)
        ]

    def matching(self, pattern: str) -> list[str]:
        return [error for error in self.errors if re.search(pattern, error)]

    def _said(self, message: ConsoleMessage) -> None:
        (self.errors if message.type == "error" else self.lines).append(message.text)

    def _raised(self, error: Error) -> None:
        self.errors.append(f"not caught: {error}")


def new_context(browser: Browser, **options: Any) -> BrowserContext:
    """A session, in which the browser is given the time that it needs on a busy machine."""
    context = browser.new_context(**options)
    context.set_default_timeout(DEADLINE * 1000)
    return context


@contextmanager
def fresh_page(browser: Browser, console: Console) -> Iterator[Page]:
    """A page of a session of its own. Unless the block raised, its console is judged at the end."""
    context = new_context(browser)
    page = context.new_page()
    console.watch(page)
    try:
        yield page
    finally:
        context.close()
    assert not console.unexpected, "errors in the console:\n" + "\n".join(console.unexpected)


# Not for the whole session: while it is there, this thread has a running event loop, and tests
# of coroutines could not run theirs.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, for the tests of a module."""
    expect.set_options(timeout=DEADLINE * 1000)
    with chromium() as running:
        yield running


@pytest.fixture
def console() -> Console:
    """What the test's pages say, and may say."""
    return Console()


@pytest.fixture
def page(browser: Browser, console: Console) -> Iterator[Page]:
    """A page of a session of its own."""
    with fresh_page(browser, console) as opened:
        yield opened
