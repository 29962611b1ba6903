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


# A server takes longer to start than most tests take: those of a file share one.
@pytest.fixture(scope="module")
def _images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving("images", tmp_path_factory.mktemp("images")) as server:
        yield server


@pytest.fixture(scope="module")
def _javascript(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving("javascript", tmp_path_factory.mktemp("javascript")) as server:
        yield server


@pytest.fixture
def images(_images: Server) -> Iterator[Server]:
    """The application of the spec."""
    with _images.test() as server:
        yield server


@pytest.fixture
def javascript(_javascript: Server) -> Iterator[Server]:
    """The application whose page is written in JavaScript."""
    with _javascript.test() as server:
        yield server


@pytest.fixture(scope="session")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "photo.jpg"
    Image.effect_noise((160, 120), 60).convert("RGB").save(path)
    return path
