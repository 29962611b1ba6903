"""Take the jobs of dead owners, and of nobody else."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from .journal import Journal
from .owners import forget, is_missing, liveness

log = logging.getLogger("sprag.queue")


class Recovery:
    """Looks after the other owners of a file. `me` is this process's owner id."""

    def __init__(self, journal: Journal, folder: Path, me: int | None = None) -> None:
        self._journal = journal
        self._folder = folder
        self._me = me
        self._others: list[tuple[int, str, int]] = []
        self._named: set[int] = set()

    def refresh(self) -> None:
        """Read anew who the owners are; for after a commit of another process."""
        self._others = [
            (owner, token, pid)
            for owner, token, pid, *_ in self._journal.owners()
            if owner != self._me
        ]

    def sweep(self) -> int:
        """Recover the jobs of every owner that is dead now; how many jobs. Some microseconds
        for each owner that lives."""
        recovered = 0
        for owner, token, pid in tuple(self._others):
            match liveness(self._folder, token):
                case "dead":
                    moved = self._journal.recover(owner)
                    forget(self._folder, token)
                    self._others.remove((owner, token, pid))
                    recovered += len(moved)
                    log.warning("process %d died; jobs recovered from it: %s", pid, _summary(moved))
                case "unknown" if owner not in self._named and is_missing(self._folder, token):
                    # It may have left this very moment: then its row is gone as well.
                    if any(row[0] == owner for row in self._journal.owners()):
                        self._named.add(owner)
                        log.error(
                            "the lock file of owner %d (process %d) is missing from %s, so its "
                            "jobs are left alone; if that process is gone for certain, run "
                            "`sprag recover --owner %d`",
                            owner, pid, self._folder, owner,
                        )  # fmt: skip
        return recovered


def _summary(moved: Sequence[tuple[str, str, str]]) -> str:
    named = [f"{id_} of {queue} ({event})" for id_, queue, event in moved[:20]]
    more = [f"and {len(moved) - 20} more"] if len(moved) > 20 else []
    return ", ".join(named + more) or "none"
