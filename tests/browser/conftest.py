"""A page in a real browser, and a site for it that speaks the server's side of the contract."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.site import Site
from tests.chromium import Console, chromium, fresh_page
from tests.support import DEADLINE


# Not for the whole session: while it is there, this thread has a running event loop, and tests
# of coroutines could not run theirs.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=DEADLINE * 1000)
    with chromium() as running:
        yield running


@pytest.fixture
def console() -> Console:
    return Console()


@pytest.fixture
def page(browser: Browser, console: Console) -> Iterator[Page]:
    with fresh_page(browser, console) as opened:
        yield opened


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as running:
        yield running


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """`write("clock.py", source)`: a file, whose source may be indented as the test is."""

    def write_file(name: str, source: str) -> Path:
        path = tmp_path / name
        path.write_text(textwrap.dedent(source), encoding="utf-8")
        return path

    return write_file
