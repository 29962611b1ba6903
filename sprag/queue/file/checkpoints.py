"""The write-ahead log of one file: when it is copied into the file, so that it stays short."""

from __future__ import annotations

from typing import Final, Literal

import apsw

from ..threads.logs import Log
from .readers import readers

log: Final = Log("sprag.queue")

Durability = Literal["full", "normal"]

# Small pages: a commit changes some hundred bytes in half a dozen of them, and the WAL stores
# whole pages. Measured: a third more commits a second than with 4 KiB, and half the writing.
PAGE_BYTES: Final = 2048
# Pages in the WAL: from the first number on, checkpoints run beside the writer; at the second,
# the writer waits for one, and its next commit begins the WAL anew. With "full" that is early,
# because a sync takes half as long again if it also has to record that the file has grown. With
# "normal", only checkpoints sync, so there are few of them.
LENGTHS: Final[dict[Durability, tuple[int, int]]] = {
    "full": (2_000, 2_000),
    "normal": (4_000, 16_000),
}
# While a reader is in the way, the next attempt comes after this many pages, or this share of
# the log.
_AGAIN_PAGES: Final = 1_000
_AGAIN_SHARE: Final = 8
# How long a checkpoint that keeps writers out waits for a writer, and for readers.
_ALONE_MILLISECONDS: Final = 100
_WARN_PAGES: Final = 64_000


class Checkpoints:
    """Keeps the log of the file at `path` short. `pages` is its length after the last commit, and
    `commits` is how many there were."""

    def __init__(self, path: str, durability: Durability, busy_seconds: float) -> None:
        self.pages = 0
        self.commits = 0
        self.beside_pages, self.most_pages = LENGTHS[durability]
        self.wait_pages = self.most_pages
        self._path = path
        self._busy_seconds = busy_seconds
        self._copied = 0
        self._warn_pages = _WARN_PAGES

    def count(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        """The hook that SQLite calls after each commit, with the length of the log."""
        if pages < self.pages:
            self.wait_pages = self.most_pages
            self._warn_pages = _WARN_PAGES
        self.pages = pages
        self.commits += 1
        return apsw.SQLITE_OK

    def due(self) -> bool:
        """True if a copy beside the writer is due."""
        return self.pages >= self.beside_pages and self.pages != self._copied

    def beside(self, connection: apsw.Connection) -> None:
        """Copy the log as far as readers allow, by a connection other than the writer.

        A commit that comes in between keeps the log from beginning anew; `bound` sees to that.
        """
        self._copied = self.pages
        self.copy(connection)

    def bound(self, writer: apsw.Connection) -> None:
        """To be called by the writer after a commit: copy the rest of a log that has become long,
        so that the next commit begins it anew."""
        if self.pages < self.wait_pages:
            return
        pages, done = self.copy(writer) or (self.pages, self.pages)
        self.wait_pages = self.pages + _AGAIN_PAGES
        if self.pages < 2 * self.most_pages:
            return
        # Other processes have always added something by then: keep them out for once.
        if self._copied_alone(writer) or pages == done:
            return
        # A reader keeps the log from beginning anew; one that never ends makes it grow.
        self.wait_pages = self.pages + max(_AGAIN_PAGES, self.pages // _AGAIN_SHARE)
        if pages >= self._warn_pages:
            self._warn_pages = 2 * pages
            self._warn(pages)

    def copy(
        self, connection: apsw.Connection, mode: int = apsw.SQLITE_CHECKPOINT_PASSIVE
    ) -> tuple[int, int] | None:
        """(pages in the log, pages of them that are in the database file now); None if someone
        is in the way, or the disk fails."""
        try:
            return connection.wal_checkpoint(mode=mode)
        except apsw.BusyError:
            return None  # another process is copying it, or a reader does not end
        except apsw.Error:
            # The commits are safe in the WAL; only its length suffers.
            log.exception("%s: a checkpoint failed; it is tried again", self._path)
            return None

    def _copied_alone(self, writer: apsw.Connection) -> bool:
        """Copy all of it while writers are kept out. False if a reader or a writer did not end."""
        writer.set_busy_timeout(_ALONE_MILLISECONDS)
        try:
            return self.copy(writer, apsw.SQLITE_CHECKPOINT_RESTART) is not None
        finally:
            writer.set_busy_timeout(round(self._busy_seconds * 1000))

    def _warn(self, pages: int) -> None:
        who = ", ".join(readers(self._path))
        log.warning(
            "%s: the write-ahead log %s-wal has grown to %s, and is expected to stay below %s: "
            "some connection has not ended its read of an old state of the file, so the log "
            "cannot begin anew. Nothing is lost, but it grows with every commit until that read "
            "ends, reads become slower, and the disk may become full. %s. End its transaction, "
            "close its cursor or stop it; the log is then reused",
            self._path, self._path, _megabytes(pages), _megabytes(2 * self.most_pages),
            f"Reading at this moment: {who}" if who else "Look for the process that has the file "
            f"open (`fuser -v {self._path}`, `lsof {self._path}`)",
        )  # fmt: skip


def _megabytes(pages: int) -> str:
    return f"{max(pages * PAGE_BYTES // 1_000_000, 1)} MB"
