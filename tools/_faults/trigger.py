"""Which call is to fail: one by its number, and perhaps those that follow."""

from __future__ import annotations

import threading
from collections.abc import Collection
from typing import Final, Literal

Lasting = Literal["once", "on", "dead"]
"""Just that call; all of its verb from then on; every call from then on."""


class Trigger:
    """Counts calls, and says of each whether it is to fail.

    A call is named "<file> <verb>", as in "wal write". `met` is set once one has failed.
    """

    def __init__(self) -> None:
        self._mutex: Final = threading.Lock()
        self.kinds: list[str] = []
        """Every call until now, in order."""
        self.failed: list[str] = []
        """Those that failed."""
        self.met = threading.Event()
        self._at: int | None = None
        self._lasting: Lasting = "once"
        self._kind = ""
        self._held: frozenset[str] = frozenset()

    def arm(self, at: int, kind: str, lasting: Lasting) -> None:
        """Let the call number `at` fail, counted from 0, or the first of this kind after it:
        threads make their calls in no order that could be foretold."""
        with self._mutex:
            self._at, self._kind, self._lasting = at, kind, lasting

    def hold(self, kinds: Collection[str]) -> None:
        """Let every call of these kinds fail."""
        with self._mutex:
            self._held = frozenset(kinds)
            self.met.clear()

    def lift(self) -> None:
        """The disk is well again."""
        with self._mutex:
            self._at, self._held = None, frozenset()

    @property
    def lasts(self) -> bool:
        """Whether the fault has begun and goes on."""
        return self.met.is_set() and self._at is not None and self._lasting != "once"

    def fires(self, kind: str) -> bool:
        """Count a call of this kind; whether it is to fail."""
        with self._mutex:
            number = len(self.kinds)
            self.kinds.append(kind)
            if kind not in self._held and not self._fires(number, kind):
                return False
            self.failed.append(kind)
        self.met.set()
        return True

    def _fires(self, number: int, kind: str) -> bool:
        if self._at is None or number < self._at:
            return False
        if not self.failed:
            return kind == self._kind
        match self._lasting:
            case "once":
                return False
            case "on":
                return _verb(kind) == _verb(self._kind)
            case "dead":
                return True


def _verb(kind: str) -> str:
    return kind.rpartition(" ")[2]
