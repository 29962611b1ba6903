from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chromium import browser as browser
from tests.chromium import console as console

TOOLS = Path(__file__).parents[2] / "tools"


# For a module: a demo that serves several tests starts before the first of them.
@pytest.fixture(autouse=True, scope="module")
def _parts_of_the_demo() -> Iterator[None]:
    """The programs find the demo, which lies with the tools."""
    paths = [str(TOOLS), os.environ.get("PYTHONPATH")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
        yield
