"""Which jobs a list is of: by state, queue and text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple, Self

from ..queue.states import STATUSES, Status

MOST_TEXT: Final = 200


class Mistake(ValueError):
    """A request that makes no sense; the message says what was expected."""


class Filter(NamedTuple):
    """`queue` None is all of them, an empty `text` finds everything."""

    statuses: tuple[Status, ...]
    queue: str | None
    text: str

    @property
    def queues(self) -> list[str]:
        return [] if self.queue is None else [self.queue]

    @classmethod
    def of(cls, states: Iterable[Any], queue: Any, text: Any) -> Self:
        """From what came with a request. Raises Mistake."""
        wanted = [state for state in states if state]
        if unknown := [state for state in wanted if state not in STATUSES]:
            raise Mistake(f"state: expected one of {', '.join(STATUSES)}, got {unknown[0]!r:.99}")
        if not isinstance(text, str) or len(text) > MOST_TEXT:
            raise Mistake(f"text: expected at most {MOST_TEXT} characters")
        if queue is not None and not isinstance(queue, str):
            raise Mistake("queue: expected a name")
        chosen = tuple(status for status in STATUSES if not wanted or status in wanted)
        return cls(chosen, _valid(queue or "") or None, _valid(text.strip()))


def _valid(text: str) -> str:
    # Half of a surrogate pair is no text that SQLite could look for.
    return text.encode("utf-8", "replace").decode()
