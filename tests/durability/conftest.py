"""The oracle lies with the tools, because `tools/torture.py` runs without the tests."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.synced import disk as disk

sys.path.append(str(Path(__file__).parents[2] / "tools"))
