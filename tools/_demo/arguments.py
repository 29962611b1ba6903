"""What the demo was asked to do. Needs the standard library alone, so that it can be read before
the demo's environment exists."""

from __future__ import annotations

import argparse
import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

DEMO = Path(__file__).resolve().parent.parent.parent / "demo"
"""Where everything goes unless the command line says otherwise."""


@dataclass(frozen=True)
class Options:
    """The command line, checked. `folder` None: make `images` images first."""

    folder: Path | None
    output: Path
    images: int
    workers: int
    retry: bool
    plain: bool


def parse(arguments: Sequence[str], description: str | None = None) -> Options:
    """The options in `arguments`; ends the program with code 2 where they cannot work."""
    parser = argparse.ArgumentParser(
        prog="tools/demo.py",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", nargs="?", type=Path, help="images to make thumbnails of")
    parser.add_argument(
        "--output", type=Path, help="for thumbnails, queue and log (default: a folder in demo/)"
    )
    parser.add_argument(
        "--images", type=_count, default=36, help="how many to make without a folder (default 36)"
    )
    parser.add_argument("--workers", type=_count, default=4, help="images at a time (default 4)")
    parser.add_argument("--retry", action="store_true", help="try failed images again")
    parser.add_argument("--plain", action="store_true", help="lines instead of progress bars")
    given = parser.parse_args(arguments)
    folder: Path | None = given.folder
    if folder is not None:
        if not folder.exists():
            parser.error(f"the folder {folder} does not exist")
        if not folder.is_dir():
            parser.error(f"{folder} is no folder; expected one with images in it")
        if not os.access(folder, os.R_OK | os.X_OK):
            parser.error(f"the folder {folder} cannot be read: permission denied")
        folder = folder.resolve()
    output: Path = (given.output or DEMO / _name(folder)).resolve()
    if folder is not None and (output == folder or output in folder.parents):
        parser.error(f"--output {output} holds your images; expected a folder of its own")
    return Options(folder, output, given.images, given.workers, given.retry, given.plain)


def _name(folder: Path | None) -> str:
    """The name of a folder's own output: one for each, so that their queues stay apart."""
    if folder is None:
        return "made"
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:8]
    return re.sub(r"[^\w.-]+", "_", folder.name, flags=re.ASCII)[:40] + f"-{digest}"


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 1000):
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 to 1000, got {text!r}")
    return int(text)
