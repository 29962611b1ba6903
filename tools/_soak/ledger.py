"""Whether every job that was acknowledged was announced, and came to an end.

It subscribes to the journal from its beginning and keeps only what is still open, so that it does
not grow itself.
"""

from __future__ import annotations

import threading
import time

from sprag.queue import Signal

_ENDS = ("completed", "failed", "cancelled")


class Ledger:
    """Give it to `subscribe` of one queue, and tell it of every acknowledged job of that queue."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        # Acknowledged less announced: an announcement may come before the answer does.
        self._unpaired: dict[str, int] = {}
        self._open: set[str] = set()
        self.acknowledged = 0
        self.ended = 0
        self.seen_at = time.time()
        """The time of the newest move that it was told of."""

    def acknowledge(self, job_id: str) -> None:
        """Count a job whose `enqueue` has returned."""
        with self._mutex:
            self.acknowledged += 1
            self._pair(job_id, 1)

    def __call__(self, signal: Signal) -> None:
        with self._mutex:
            if signal["at"] is not None:
                self.seen_at = signal["at"]
            if signal["event"] == "enqueue":
                self._pair(signal["job_id"], -1)
                self._open.add(signal["job_id"])
            elif signal["event"] != "progress" and signal["status"] in _ENDS:
                self.ended += 1
                self._open.discard(signal["job_id"])

    def _pair(self, job_id: str, one: int) -> None:
        total = self._unpaired.get(job_id, 0) + one
        if total:
            self._unpaired[job_id] = total
        else:
            self._unpaired.pop(job_id, None)

    @property
    def settled(self) -> bool:
        """Whether all is answered, announced and ended."""
        return not self._unpaired and not self._open

    def problems(self) -> list[str]:
        """What is left, for the end of the run."""
        with self._mutex:
            return [
                *(f"job {id_} was acknowledged and never announced"
                  for id_, total in self._unpaired.items() if total > 0),
                *(f"job {id_} was announced, and nobody asked for it"
                  for id_, total in self._unpaired.items() if total < 0),
                *(f"job {id_} never ended" for id_ in self._open),
            ]  # fmt: skip
