"""A signal handler stops the application of the queue that the main thread is stopping.

stop_within_a_stop_of_an_app.py FILE
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from sprag.web import App

TESTS = Path(__file__).parents[2]
sys.path.insert(0, str(Path(__file__).parent))  # where `pages` is
program = runpy.run_path(str(TESTS / "durability" / "programs" / "stop_within_a_stop.py"))
app = App(routes="pages", providers={"work": program["queue"]}, secret="x" * 32)
program["stop_within_its_stop"](app)
