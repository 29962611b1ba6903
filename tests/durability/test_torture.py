"""Some seconds of the long crash test; `tools/torture.py` has the rest of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

TORTURE = Path(__file__).parents[2] / "tools" / "torture.py"


def test_processes_killed_at_random_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    # Elsewhere this keeps the tree from being imported; a tool finds its parts by it.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    done = subprocess.run(
        [sys.executable, str(TORTURE), "--here", "--seconds", "6", "--dir", str(tmp_path)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=110,
        check=False, env=env,
    )  # fmt: skip
    # The seed is in what it says.
    assert done.returncode == 0, done.stdout
    kills = re.search(r"(\d+) kills", done.stdout)
    assert kills is not None
    assert int(kills[1]) > 0, done.stdout
