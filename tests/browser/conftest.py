"""A page in a real browser, and a site for it that speaks the server's side of the contract."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.browser.site import Site
from tests.chromium import browser as browser
from tests.chromium import console as console
from tests.chromium import page as page


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
