"""The type of the fixture `sprag_queue`."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

from sprag.queue import QueueService

from .clock import Clock

Q = TypeVar("Q", bound=QueueService)


class MakeQueue(Protocol):
    """What the fixture `sprag_queue` is: places queues in the file of the test, `tmp_path` /
    "jobs.db", and stops them at its end.

    Of a class it makes a queue, with these options. A queue that there is, such as one of your
    application's modules, gets them for as long as the test runs; it must not be open yet. `clock`
    rules the queue.
    """

    def __call__(self, queue: type[Q] | Q, /, *, clock: Clock | None = None, **options: Any) -> Q:
        """Return the queue."""
