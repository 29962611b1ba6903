"""Servers and pages, all of them real."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from tests.chromium import Console, fresh_page
from tests.chromium import browser as browser
from tests.chromium import console as console
from tests.e2e.server import Server, serving


@pytest.fixture
def new_session(browser: Browser, console: Console) -> Iterator[Callable[[], Page]]:
    """`new_session()`: a page of a browser that was never here."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(fresh_page(browser, console))


@pytest.fixture
def page(new_session: Callable[[], Page]) -> Page:
    return new_session()


@pytest.fixture
def images(tmp_path: Path) -> Iterator[Server]:
    """The application of the spec."""
    with serving("images", tmp_path) as server:
        yield server


@pytest.fixture
def javascript(tmp_path: Path) -> Iterator[Server]:
    """The application whose page is written in JavaScript."""
    with serving("javascript", tmp_path) as server:
        yield server


@pytest.fixture(scope="session")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "photo.jpg"
    Image.effect_noise((160, 120), 60).convert("RGB").save(path)
    return path
