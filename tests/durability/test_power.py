"""The power fails at some points of real work; `tools/power.py` has the long form."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.support import LONG, PATIENCE, for_tool, unmeasured

# Of each kind of work; each of them is some ten images of a disk.
POINTS = "8" if LONG else "4"
POWER = Path(__file__).parents[2] / "tools" / "power.py"


def test_power_that_fails_at_any_write_loses_nothing_that_was_told(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable, str(POWER), "--here", "--rounds", "1", "--points", POINTS,
            "--processes", "2", "--dir", str(tmp_path),
        ],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE,
        check=False, env=for_tool(unmeasured()),
    )  # fmt: skip
    # The seed is in what it says, and so is the command that makes a failure again.
    assert done.returncode == 0, done.stdout
    distinct = re.search(r"(\d+) of them distinct", done.stdout)
    assert distinct is not None
    assert int(distinct[1]) > 250, done.stdout
