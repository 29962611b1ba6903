from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.chromium import browser as browser
from tests.chromium import console as console

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture(autouse=True)
def _parts_of_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    """The programs find the demo, which lies with the tools."""
    paths = [str(TOOLS), os.environ.get("PYTHONPATH")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
