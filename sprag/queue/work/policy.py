"""Which errors of a handler are worth another attempt, and when that may start."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..backoff import Backoff
from ..verdicts import Fail, Retry


class Again(NamedTuple):
    """That there is to be another attempt: when (None: as the back-off says), whether the one that
    has failed counts, and whether the handler asked for it by a Retry."""

    due_at: float | None
    counted: bool
    asked: bool


class Policy(NamedTuple):
    """What a queue does about attempts that fail.

    What `fail_on` names fails the job. Of the rest, what `retry_on` names is tried again; None
    stands for everything. `time_limit` is for jobs without one of their own, in seconds.
    """

    backoff: Backoff = Backoff()
    retry_on: tuple[type[BaseException], ...] | None = None
    fail_on: tuple[type[BaseException], ...] = ()
    time_limit: float | None = None

    def judged(self, error: BaseException, now: float, *, handled: bool) -> Again | None:
        """What follows from an error; None if the job fails. `handled`: the handler raised it, not
        the decoding of its item, of which `retry_on` says nothing.

        The handler's own word comes first. A group counts as all that is in it: it fails the job if
        any of that does, and waits for the last.
        """
        leaves = tuple(_leaves(error))
        if any(isinstance(leaf, Fail) for leaf in leaves):
            return None
        asked = [leaf for leaf in leaves if isinstance(leaf, Retry)]
        others = [leaf for leaf in leaves if not isinstance(leaf, Retry)]
        if others and not self._is_worth_it(error, others, handled=handled):
            return None
        due = [at for word in asked if (at := word.due_at(now)) is not None]
        counted = bool(others) or any(word.counted for word in asked)
        return Again(max(due, default=None), counted, bool(asked))

    def _is_worth_it(
        self, error: BaseException, leaves: list[BaseException], *, handled: bool
    ) -> bool:
        if any(isinstance(one, self.fail_on) for one in (error, *leaves)):
            return False
        wanted = self.retry_on
        if wanted is None or not handled:
            return True
        return isinstance(error, wanted) or all(isinstance(leaf, wanted) for leaf in leaves)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors in a group and its groups; any other error itself."""
    pending = [error]
    while pending:
        one = pending.pop()
        if isinstance(one, BaseExceptionGroup):
            pending += one.exceptions
        else:
            yield one
