"""How many jobs came and ended in the last day, in slots of time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final

from ..queue import Event
from ..queue.operators import QueueFile, Sparing

SPANS: Final = (900, 3600, 86400)
"""The spans of time that a pace can be drawn over, in seconds."""

_SLOTS: Final = 60
_WIDTH: Final = min(SPANS) // _SLOTS
_CHUNK: Final = 5_000
_AHEAD: Final = 32_000
_MOST: Final = 256_000
_SLACK: Final = 60.0  # times follow the journal's order, but not to the second

_SERIES: Final[dict[Event, str]] = {
    "enqueue": "enqueued",
    "requeue": "enqueued",
    "complete": "completed",
    "fail": "failed",
    "lose": "failed",
}


class Pace:
    """Counts the journal's moves by queue and time as they come. Those that were there before are
    counted 5,000 at each look: a day of them, at most the 256,000 newest."""

    def __init__(self, file: Callable[[], QueueFile]) -> None:
        self._file = file
        self._mutex = threading.Lock()
        self._look = Sparing(self._read)
        self._moves: dict[int, dict[tuple[str, str], int]] = {}
        self._first = self._last = self._start = 0
        self._known_since = 0.0
        self._whole = True

    def shape(self, span: int) -> dict[str, Any]:
        """Its JSON form; `span` is one of SPANS. "more" says that another look will count more."""
        self._look()
        width = span // _SLOTS
        # Whole slots, so that a bar does not change its height only because time has passed.
        since = (self._file().now() // width + 1 - _SLOTS) * width
        queues: dict[str, dict[str, list[int]]] = {}
        with self._mutex:
            for slot, moves in self._moves.items():
                n = int((slot * _WIDTH - since) // width)
                if 0 <= n < _SLOTS:
                    for (queue, name), count in moves.items():
                        series = queues.setdefault(queue, {}).setdefault(name, [0] * _SLOTS)
                        series[n] += count
            known = since if self._whole else max(self._known_since, since)
            more = known > since and self._start - self._first < _MOST
        return {
            "span": span, "width": width, "since": since, "known_since": known, "more": more,
            "queues": queues,
        }  # fmt: skip

    def _read(self) -> None:
        file = self._file()
        head = file.head()[0]
        oldest = file.now() - max(SPANS)
        with self._mutex:
            if not 0 <= head - self._last <= _AHEAD:
                # Nobody has looked for a long time, or the file was replaced: begin anew.
                self._moves.clear()
                self._first = self._last = self._start = head
                self._whole = head == 0
            self._count(self._last, head)
            self._last = head
            if not self._whole and self._start - self._first < _MOST:
                after = max(self._first - _CHUNK, 0)
                self._count(after, self._first)
                self._first = after
                at = file.statistics.moved_at(after + 1)
                self._known_since = oldest if at is None else at
                self._whole = after == 0 or self._known_since < oldest - _SLACK
            for slot in [slot for slot in self._moves if (slot + 1) * _WIDTH < oldest]:
                del self._moves[slot]

    def _count(self, after: int, until: int) -> None:
        statistics = self._file().statistics
        for slot, queue, event, count in statistics.moves(after, until, tuple(_SERIES), _WIDTH):
            of_slot = self._moves.setdefault(slot, {})
            key = queue, _SERIES[event]
            of_slot[key] = of_slot.get(key, 0) + count
