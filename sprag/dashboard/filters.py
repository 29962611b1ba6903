"""Which jobs a list shows, by state, queue, text and time, and in which order."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Self, get_args

from ..queue.operators import STATES, Order, Span, State, Wanted

MOST_TEXT: Final = 200
ORDERS: Final[tuple[Order, ...]] = get_args(Order)

# "queued" was one state in earlier versions, and may be in a bookmark.
_GROUPS: Final[dict[str, tuple[State, ...]]] = {"queued": ("ready", "scheduled", "retrying")}
_FIELDS: Final = frozenset({"states", "queue", "task", "text", "by", "from", "until"})


class Mistake(ValueError):
    """A request that is not valid; the message says what was expected."""


class Filter(NamedTuple):
    """Which jobs are wanted. Empty `states` mean all, as do `queue` and `task` None, and an empty
    `text` finds everything."""

    states: tuple[State, ...]
    queue: str | None
    task: str | None
    text: str
    accepted: Span | None
    ended: Span | None

    @property
    def queues(self) -> list[str]:
        return [] if self.queue is None else [self.queue]

    def wanted(self, now: float, lost: Sequence[int]) -> Wanted:
        """The filter as a search; `lost` has the owners that are dead."""
        tasks = () if self.task is None else (self.task,)
        return Wanted(
            now, self.queues, self.states, self.text, self.accepted, self.ended, lost, tasks
        )

    @classmethod
    def of(cls, states: Iterable[Any], said: Mapping[str, Any]) -> Self:
        """Read a filter from a request: `queue`, `task`, `text`, and `by` ("accepted" or "ended")
        with the times `from` and `until`. Raises Mistake."""
        named = [state for state in states if state]
        allowed = (*_GROUPS, *STATES)
        if unknown := [state for state in named if state not in allowed]:
            raise Mistake(f"state: expected one of {', '.join(allowed)}, got {unknown[0]!r:.99}")
        wanted = {state for name in named for state in _GROUPS.get(name, (name,))}
        text, queue = said.get("text") or "", said.get("queue")
        if not isinstance(text, str) or len(text) > MOST_TEXT:
            raise Mistake(f"text: expected at most {MOST_TEXT} characters")
        task = said.get("task")
        for name, given in (("queue", queue), ("task", task)):
            if given is not None and not isinstance(given, str):
                raise Mistake(f"{name}: expected a name")
        by = said.get("by") or "accepted"
        if by not in ("accepted", "ended"):
            raise Mistake("by: expected accepted or ended")
        span = _span(said.get("from"), said.get("until"))
        return cls(
            tuple(state for state in STATES if state in wanted),
            _valid(queue or "") or None,
            _valid(task or "") or None,
            _valid(text.strip()),
            span if by == "accepted" else None,
            span if by == "ended" else None,
        )

    @classmethod
    def of_match(cls, match: Any) -> Self:
        """Read a filter from the object `match` of a body. Raises Mistake."""
        if not isinstance(match, dict) or not match.keys() <= _FIELDS:
            raise Mistake(f"match: expected an object with {', '.join(sorted(_FIELDS))}")
        states = match.get("states", [])
        if not isinstance(states, list) or not all(isinstance(state, str) for state in states):
            raise Mistake("states: expected a list of names")
        if not isinstance(match.get("text", ""), str):
            raise Mistake("text: expected a text")
        return cls.of(states, match)


def order_of(given: str | None) -> Order:
    """The order that was asked for. Raises Mistake."""
    for order in ORDERS:
        if order == (given or "newest"):
            return order
    raise Mistake(f"sort: expected one of {', '.join(ORDERS)}")


def _span(since: Any, until: Any) -> Span | None:
    if since in (None, "") and until in (None, ""):
        return None
    return _time("from", since, -math.inf), _time("until", until, math.inf)


def _time(name: str, given: Any, otherwise: float) -> float:
    if given in (None, ""):
        return otherwise
    try:
        at = float(given)
    except (TypeError, ValueError, OverflowError):
        at = math.nan
    if not math.isfinite(at) or isinstance(given, bool):
        raise Mistake(f"{name}: expected a time in unix seconds")
    return at


def _valid(text: str) -> str:
    # SQLite cannot look for half of a surrogate pair.
    return text.encode("utf-8", "replace").decode()
