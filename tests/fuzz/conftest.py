"""What is hostile lies with the tools, because `tools/fuzz.py` runs without the tests."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "tools"))
