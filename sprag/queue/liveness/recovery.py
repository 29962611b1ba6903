"""Take the jobs of dead processes, and of no others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from ..store.ownership import Recovered
from ..store.store import Store
from ..threads.logs import Log
from .owners import doubt, forget, liveness

log: Final = Log("sprag.queue")


class Recovery:
    """Looks after the other owners of a file. `me` is this process's owner id."""

    def __init__(
        self,
        store: Store,
        folder: Path,
        me: int | None = None,
        on_lost: Callable[[Sequence[str]], None] = lambda ids: None,
    ) -> None:
        """`on_lost(ids)` is called with jobs that have failed by the death of their process."""
        self._store = store
        self._on_lost = on_lost
        self._folder = folder
        self.me = me
        self._others: list[tuple[int, str, int]] = []
        self._named: set[tuple[int, str]] = set()

    def refresh(self) -> None:
        """Read anew who the owners are; for after a commit of another process."""
        self._others = [
            (owner.id, owner.token, owner.pid)
            for owner in self._store.owners.all()
            if owner.id != self.me
        ]

    def sweep(self) -> int:
        """Recover the jobs of every owner that is dead now; how many jobs. Some microseconds
        for each owner that lives."""
        recovered = 0
        for owner, token, pid in tuple(self._others):
            state = liveness(self._folder, token)
            if state == "dead":
                moved = self._store.owners.recover(owner)
                forget(self._folder, token)
                self._others.remove((owner, token, pid))
                recovered += len(moved)
                log.warning("process %d died; jobs recovered from it: %s", pid, _summary(moved))
                if lost := [job.id for job in moved if job.event == "lose"]:
                    self._on_lost(lost)
            elif state == "unknown":
                self._tell_doubt(owner, token, pid)
        return recovered

    def _tell_doubt(self, owner: int, token: str, pid: int) -> None:
        """Say in the log, once for each reason, that nobody can tell whether the owner lives."""
        why = doubt(self._folder, token, owner)
        if why is None or (owner, why.reason) in self._named:
            return
        # It may have left this very moment: then its row is gone as well.
        if any(known.id == owner for known in self._store.owners.all()):
            self._named.add((owner, why.reason))
            log.error(
                "nobody can tell whether process %d of the file (pid %d) is alive, so its jobs are "
                "left alone: %s. What to do: %s", owner, pid, why.reason, why.remedy,
            )  # fmt: skip


def _summary(moved: Sequence[Recovered]) -> str:
    named = [f"{job.id} of {job.queue} ({job.event})" for job in moved[:20]]
    more = [f"and {len(moved) - 20} more"] if len(moved) > 20 else []
    return ", ".join(named + more) or "none"
