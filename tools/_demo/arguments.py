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


PORT = 8000
"""Of the page. Always the same, so that a page that is open finds the next run."""

_TERMINAL = """\
Make thumbnails of a folder of images through a durable queue, with live progress bars.

Takes the folder's images, those of folders in it too; without a folder it makes some dozens of
large ones first. Interrupt it (Ctrl-C, SIGTERM, even kill -9) and start the same command again:
it goes on where it was.

Exit codes: 0 every image has its thumbnails, 1 some have none, 2 it could not begin,
130 and 143 it was interrupted and another run goes on."""


@dataclass(frozen=True)
class PageOptions:
    """The command line of the page, checked."""

    output: Path
    port: int
    browser: bool
    workers: int


@dataclass(frozen=True)
class TerminalOptions:
    """The command line of the terminal's demo, checked. `folder` None: make `images` images."""

    folder: Path | None
    output: Path
    images: int
    workers: int
    retry: bool
    plain: bool


def parse(
    arguments: Sequence[str], description: str | None = None
) -> PageOptions | TerminalOptions:
    """The options in `arguments`; ends the program with code 2 where they cannot work."""
    if "--terminal" in arguments:
        return _terminal([one for one in arguments if one != "--terminal"])
    return _page(arguments, description)


def _page(arguments: Sequence[str], description: str | None) -> PageOptions:
    parser = argparse.ArgumentParser(
        prog="tools/demo.py",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="tools/demo.py --terminal --help tells of the demo that needs no browser.",
    )
    parser.add_argument(
        "--terminal", action="store_true", help="a folder's images, with bars in the terminal"
    )
    parser.add_argument(
        "--port", type=_port, default=PORT, help=f"where the page is (default {PORT}; 0: any)"
    )
    parser.add_argument("--no-browser", action="store_true", help="only print the page's address")
    parser.add_argument(
        "--output", type=Path, help="for images, queue and log (default: demo/page)"
    )
    parser.add_argument("--workers", type=_count, default=4, help="images at a time (default 4)")
    given, others = parser.parse_known_args(arguments)
    if others:
        parser.error(
            f"the page takes no {' '.join(others)}; a folder and its options go with --terminal"
        )
    output = (given.output or DEMO / "page").resolve()
    return PageOptions(output, given.port, not given.no_browser, given.workers)


def _terminal(arguments: Sequence[str]) -> TerminalOptions:
    parser = argparse.ArgumentParser(
        prog="tools/demo.py --terminal",
        description=_TERMINAL,
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
    return TerminalOptions(folder, output, given.images, given.workers, given.retry, given.plain)


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


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"expected a port, 0 to 65535, got {text!r}")
    return int(text)
