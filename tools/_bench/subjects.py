"""Subject: what every queue under measurement can do, so that one measure serves them all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

Handler = Callable[[], None]
"""What a worker calls for each job: the job itself is a no-op, the measure counts or times it."""

WORKERS = 4
"""Worker threads of every subject, in every row that does not say otherwise."""

SYNCHRONOUS = {"normal": 1, "full": 2}
"""SQLite's numbers for ``PRAGMA synchronous``."""


class WrongSettings(Exception):
    """A connection does not run with the journal mode and ``synchronous`` it is measured at."""


class WrongCount(Exception):
    """After a measurement, the work was not done as it had to be."""


class Subject(Protocol):
    """A queue on a file in a folder of its own, at one ``synchronous``."""

    def enqueue(self) -> None:
        """Accept one no-op job; return once it is committed."""

    def enqueue_many(self, count: int) -> None:
        """Accept `count` no-op jobs in the fastest way that the queue's public surface offers."""

    def serve(self, handler: Handler) -> None:
        """Start `WORKERS` threads that call `handler` for each job; return without waiting."""

    def drained(self) -> bool:
        """Whether every accepted job was handled and its end is committed."""

    def stop(self) -> None:
        """Stop the workers; no job is taken after this."""

    def check(self, jobs: int) -> None:
        """Raise unless the file itself says that `jobs` jobs are finished and none is left."""

    def settings(self) -> Sequence[tuple[str, int]]:
        """``(journal_mode, synchronous)`` of each connection that the queue writes with."""


def verify(settings: Sequence[tuple[str, int]], sync: str) -> None:
    """Raise `WrongSettings` unless each connection is in WAL mode at `sync`."""
    for journal, synchronous in settings:
        if (journal, synchronous) != ("wal", SYNCHRONOUS[sync]):
            raise WrongSettings(
                f"expected journal_mode wal and synchronous {SYNCHRONOUS[sync]}, "
                f"found {journal} and {synchronous}"
            )


def expect(what: str, found: object, wanted: object) -> None:
    """Raise `WrongCount` unless a value read after a measurement is what it had to become."""
    if found != wanted:
        raise WrongCount(f"{what}: expected {wanted}, found {found}")
