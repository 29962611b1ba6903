"""The database and the form of output of one call of the program."""

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

from ..queue.operators import QueueFile, open_file
from .exits import DATABASE, USAGE, Refusal
from .text import lines

DEFAULT_DATABASE: Final = "sprag.db"
_BUSY_SECONDS: Final = 5.0
# In a pipe, a table is as wide as it needs to be.
_PIPE_WIDTH: Final = 10_000
_PIECE: Final = 1000


class _Console(Console):
    """A console that lets the program decide what to do when the reader is gone."""

    def on_broken_pipe(self) -> None:
        """Go on with the BrokenPipeError that is being handled; rich would exit with code 1."""
        raise  # noqa: PLE0704  # called from an except block


class Settings:
    """The options that all commands share. `database` is None if none was named."""

    def __init__(self) -> None:
        self.database: str | None = None
        self.as_json = False

    @property
    def path(self) -> str:
        """The database file."""
        return self.database or DEFAULT_DATABASE

    @cached_property
    def out(self) -> Console:
        """Standard output. It interprets no markup."""
        piped = not sys.stdout.isatty() and "COLUMNS" not in os.environ
        return _Console(
            markup=False, emoji=False, highlight=False, width=_PIPE_WIDTH if piped else None
        )

    @property
    def for_eyes(self) -> bool:
        """True if standard output is a terminal."""
        return self.out.is_terminal

    def show(self, *parts: RenderableType) -> None:
        """Print for people. In a pipe, without the spaces that pad the rows of a table."""
        if self.for_eyes:
            self.out.print(*parts, sep="\n")
            return
        with self.out.capture() as captured:
            self.out.print(*parts, sep="\n")
        self.write("".join(line.rstrip() + "\n" for line in captured.get().splitlines()))

    def emit(self, document: Any) -> None:
        """Print one JSON document on one line."""
        # Only ASCII, so that no encoding and no terminal can go wrong.
        # Another program's file may hold bytes where text belongs.
        self.write(json.dumps(document, default=str) + "\n")

    def write(self, text: str) -> None:
        """Print text as it is."""
        # In pieces that a pipe takes whole: with PYTHONUNBUFFERED, Python notices neither what
        # a write has left over, nor that the reader is gone.
        for start in range(0, len(text), _PIECE):
            sys.stdout.write(text[start : start + _PIECE])

    def say(self, message: str) -> None:
        """Print a remark on standard error, unless the output is JSON. It comes after the output
        so far, and only if that could be printed."""
        if not self.as_json:
            sys.stdout.flush()
            sys.stderr.write(lines(message) + "\n")

    def confirm(self, question: str, *, yes: bool) -> None:
        """Return if the user agrees, or if `yes` is set. Raises Refusal."""
        if yes:
            return
        if self.as_json or not sys.stdin.isatty():
            raise Refusal(
                f"{question} Cannot ask for confirmation here: add --yes",
                kind="confirmation_needed",
                code=USAGE,
            )
        if not click.confirm(lines(question), err=True):
            raise Refusal("nothing was changed", kind="declined")

    @contextmanager
    def opened(self) -> Iterator[QueueFile]:
        """Open the database, which must exist, and close it after the block."""
        if not os.path.lexists(self.path):
            raise Refusal(
                f"{self.path} does not exist; name another database with --database or "
                "SPRAG_DATABASE",
                kind="database_missing",
                code=DATABASE,
                path=str(Path(self.path).absolute()),
            )
        file = open_file(self.path, busy_seconds=_BUSY_SECONDS)
        try:
            yield file
        finally:
            file.close()
