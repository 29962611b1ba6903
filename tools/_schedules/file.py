"""The file that processes share, and the locks by which they show that they live: in steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import apsw

from sprag.queue.file.database import Database
from sprag.queue.liveness.owners import OwnerLock
from sprag.queue.store import moves

from .primitives import run
from .scheduler import READ, WRITE

FILE: Final = ("lock", "file")
LOCKS: Final = ("owners' locks",)


class Stepped(Database):
    """A database whose transactions are steps: of one file, so one at a time. Power is not the
    subject, so it never syncs."""

    number = 0
    writing: Database | None = None
    """Who has the file's write lock, of all that have it open here."""

    def begin(self, *, lasting: bool = False) -> None:
        del lasting
        run().pause("BEGIN", lambda: Stepped.writing is None, FILE)
        run().touch(FILE, WRITE)
        super().begin()
        Stepped.writing = self

    def commit(self) -> None:
        run().pause("COMMIT")
        run().touch(FILE, WRITE)
        super().commit()
        Stepped.writing = None

    def rollback(self) -> None:
        if self.writer.in_transaction:
            run().touch(FILE, WRITE)
            super().rollback()
            Stepped.writing = None

    @contextmanager
    def reading(self) -> Iterator[apsw.Connection]:
        run().pause("read")
        run().touch(FILE, READ)
        with super().reading() as reader:
            yield reader

    def version(self) -> int:
        run().pause("look for commits")
        run().touch(FILE, READ)
        return super().version()

    def check_open(self) -> None:
        run().touch(("closed", self.number), READ)
        super().check_open()

    def check_in_place(self) -> None:
        """Nobody replaces this file."""

    def close(self) -> None:
        """The file stays open for the next run."""
        run().pause("close")
        run().touch(("closed", self.number), WRITE)
        self.closed = True
        with self.turn:  # as the real one does, which ends no transaction
            pass

    def checkpoint(self) -> None:
        """Not what this is about."""

    def bound_wal(self) -> None:
        """Not what this is about."""


class Lock(OwnerLock):
    """An owner's lock, whose taking and letting go are steps."""

    def __init__(self, folder: Path) -> None:
        run().pause("take an owner's lock")
        run().touch(LOCKS, WRITE)
        super().__init__(folder)

    def release(self) -> None:
        run().pause("let go of an owner's lock")
        run().touch(LOCKS, WRITE)
        super().release()

    def abandon(self) -> None:
        run().pause("let go of an owner's lock")
        run().touch(LOCKS, WRITE)
        super().abandon()


def step(label: str, how: int, function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that has to do with the owners' locks, as a step."""

    def stepped(*args: Any) -> Any:
        run().pause(label)
        run().touch(LOCKS, how)
        return function(*args)

    return stepped


def insert(connection: apsw.Connection, *args: Any) -> None:
    """The store's own; by itself it is a transaction."""
    if not connection.in_transaction:
        run().pause("INSERT", lambda: Stepped.writing is None, FILE)
        run().touch(FILE, WRITE)
    _plainly(connection, *args)


_plainly: Final = moves.insert
