"""The folder where a demo keeps what it makes, and its log."""

from __future__ import annotations

import sys
from pathlib import Path

from .arguments import DEMO
from .log import log_to


def prepare(output: Path) -> bool:
    """Make the folder and begin the log in it; False, with a word of it, where that cannot be."""
    try:
        output.mkdir(parents=True, exist_ok=True)
        if DEMO in output.parents:
            (DEMO / ".gitignore").write_text("*\n")
        log_to(output / "demo.log")
    except OSError as error:
        print(f"{output} cannot be written ({error.strerror}): choose another folder with "
              "--output.", file=sys.stderr)  # fmt: skip
        return False
    return True
