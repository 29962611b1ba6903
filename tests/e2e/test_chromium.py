"""What the test command does on a machine without a Chromium, or with a slow one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"

APT = """#!/bin/sh
echo "$*" >> "$0.log"
case "$*" in *install*) {install} ;; esac
"""


def ensure(folder: Path, *, user: int = 0) -> str:
    """What is said by a user with this PATH."""
    code = f"import os; os.geteuid = lambda: {user}; import _chromium; _chromium.ensure()"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(TOOLS)!r}); {code}"],
        env={**os.environ, "PATH": str(folder)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stderr


def apt(folder: Path, install: str) -> Path:
    """An apt-get that does this; the file that will say what it was asked."""
    program = folder / "apt-get"
    program.write_text(APT.format(install=install))
    program.chmod(0o755)
    return folder / "apt-get.log"


def test_it_is_installed_with_a_font_after_the_lists_are_fetched(tmp_path: Path) -> None:
    made = tmp_path / "chromium-headless-shell"
    asked = apt(tmp_path, f"echo > {made}; /bin/chmod +x {made}")
    assert "will fail" not in ensure(tmp_path)
    update, install = asked.read_text().splitlines()
    assert update.endswith(" update")
    assert install.endswith(" chromium-headless-shell fonts-dejavu-core")
    asked.unlink()
    assert ensure(tmp_path) == ""
    assert not asked.exists()


@pytest.mark.parametrize("user", [0, 1000])
def test_another_does_where_the_quick_one_cannot_be_installed(tmp_path: Path, user: int) -> None:
    (tmp_path / "chromium").touch(mode=0o755)
    asked = apt(tmp_path, "exit 100")
    assert "will fail" not in ensure(tmp_path, user=user)
    commands = asked.read_text().splitlines() if asked.exists() else []
    # It is tried in vain each time, and so without the lists of packages.
    assert ["update" in command for command in commands] == ([False] if user == 0 else [])


@pytest.mark.parametrize("why", ["apt-get fails", "not root", "no apt-get"])
def test_where_it_cannot_be_installed_it_is_said_how_to(tmp_path: Path, why: str) -> None:
    asked = tmp_path / "apt-get.log" if why == "no apt-get" else apt(tmp_path, "exit 100")
    said = ensure(tmp_path, user=1000 if why == "not root" else 0)
    assert "apt-get install chromium" in said
    assert asked.exists() == (why == "apt-get fails")
