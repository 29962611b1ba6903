"""Does what `points.py` does, with its class and queue imported from there."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
importlib.import_module("points").run(*sys.argv[1:])
