"""The reference is what its command makes, and holds every public name."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys

import pytest

from tests.documents import ROOT
from tests.support import DEADLINE, unmeasured

REFERENCE = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")


def test_the_reference_is_what_its_command_makes() -> None:
    environment = {**unmeasured(), "PYTHONPATH": os.pathsep.join([str(ROOT / "tools"), *sys.path])}
    made = subprocess.run(
        [sys.executable, "-m", "_reference.document"], env=environment, capture_output=True,
        text=True, encoding="utf-8", timeout=DEADLINE, check=True,
    ).stdout  # fmt: skip
    assert made == REFERENCE, "docs/reference.md is out of date: run tools/reference.py"


@pytest.mark.parametrize("home", ["sprag", "sprag.queue", "sprag.web", "sprag.testing"])
def test_every_public_name_has_an_entry(home: str) -> None:
    entries = re.findall(r"^### `?(\w+)`?$", REFERENCE, re.MULTILINE)
    assert [name for name in importlib.import_module(home).__all__ if name not in entries] == []
