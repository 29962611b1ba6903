"""The log of a demo: a file, because on the terminal it would run into what is shown there."""

from __future__ import annotations

import logging
from pathlib import Path


def log_to(file: Path) -> None:
    """What the queue logs goes to the file from now on, and nowhere else."""
    handler = logging.FileHandler(file, encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(logging.Formatter("%(asctime)s %(process)d %(levelname)s %(message)s"))
    log = logging.getLogger("sprag")
    log.addHandler(handler)
    log.propagate = False
