"""The plugin of pytest: the fixture `sprag_queue`. pytest loads it in every run, so it loads
nothing itself: what it makes queues of comes from the test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .testing import Clock, MakeQueue


@pytest.fixture
def sprag_queue(tmp_path: Path) -> Iterator[MakeQueue]:
    """Return a function that places queues in a file of the test, and stops them at its end.

    `sprag_queue(Mail)` makes one of a class; `sprag_queue(mail)` places one that there is, as long
    as the test runs. Further keyword arguments are options of the queue; `clock` rules it.
    """
    with ExitStack() as stack:

        def make(queue: Any, /, *, clock: Clock | None = None, **options: Any) -> Any:
            given = {"database": tmp_path / "jobs.db", **options}
            if isinstance(queue, type):
                queue = queue(**given)
            else:
                for name, value in given.items():
                    stack.callback(setattr, queue, name, getattr(queue, name))
                    setattr(queue, name, value)
            stack.callback(queue.stop)
            if clock is not None:
                clock.rule(queue)
            return queue

        yield make
