"""What a call of the program is about: which database, which form of output."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console, RenderableType

from ..queue.engine import Engine
from .exits import DATABASE, USAGE, Refusal
from .text import lines

DEFAULT_DATABASE: Final = "sprag.db"
_BUSY_SECONDS: Final = 5.0
# Where nobody looks at it, a table is as wide as it needs to be.
_PIPE_WIDTH: Final = 10_000
_PIECE: Final = 1000


class Settings:
    """The options that all commands share. `database` is None where nobody named one."""

    def __init__(self) -> None:
        self.database: str | None = None
        self.as_json = False

    @property
    def path(self) -> str:
        """The database file."""
        return self.database or DEFAULT_DATABASE

    @cached_property
    def out(self) -> Console:
        """Standard output. Nothing in it is taken for markup."""
        piped = not sys.stdout.isatty() and "COLUMNS" not in os.environ
        return Console(
            markup=False, emoji=False, highlight=False, width=_PIPE_WIDTH if piped else None
        )

    @property
    def for_eyes(self) -> bool:
        """Whether standard output is a terminal."""
        return self.out.is_terminal

    def show(self, *parts: RenderableType) -> None:
        """Print for people; into a pipe without the blanks that fill up a table's lines."""
        if self.for_eyes:
            self.out.print(*parts, sep="\n")
            return
        with self.out.capture() as captured:
            self.out.print(*parts, sep="\n")
        self.write("".join(line.rstrip() + "\n" for line in captured.get().splitlines()))

    def emit(self, document: Any) -> None:
        """Print one JSON document in one line."""
        # ASCII alone, so that no encoding and no terminal can go wrong.
        # Another program's file may hold bytes where text belongs.
        self.write(json.dumps(document, default=str) + "\n")

    def write(self, text: str) -> None:
        """Print text as it is."""
        # In pieces that a pipe takes whole: with PYTHONUNBUFFERED, Python takes no notice of
        # what a write leaves over, nor of the reader being gone.
        for start in range(0, len(text), _PIECE):
            sys.stdout.write(text[start : start + _PIECE])

    def say(self, message: str) -> None:
        """A remark on standard error, for people only. It comes after what was printed before it,
        and only if that could be printed."""
        if not self.as_json:
            sys.stdout.flush()
            sys.stderr.write(lines(message) + "\n")

    def confirm(self, question: str, *, yes: bool) -> None:
        """Return if the user agrees; `yes` says so beforehand. Raises Refusal."""
        if yes:
            return
        if self.as_json or not sys.stdin.isatty():
            raise Refusal(
                f"{question} There is nobody to ask here: add --yes",
                kind="confirmation_needed",
                code=USAGE,
            )
        if not click.confirm(lines(question), err=True):
            raise Refusal("nothing was done", kind="declined")

    @contextmanager
    def opened(self) -> Iterator[Engine]:
        """The database, which must exist; closed after the block."""
        if not os.path.lexists(self.path):
            raise Refusal(
                f"{self.path} does not exist; --database, or SPRAG_DATABASE in the environment, "
                "names another database",
                kind="database_missing",
                code=DATABASE,
                path=str(Path(self.path).absolute()),
            )
        engine = Engine.open(self.path, create=False, busy_seconds=_BUSY_SECONDS)
        try:
            yield engine
        finally:
            engine.close()
