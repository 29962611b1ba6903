"""Read and write a file as a user who has no rights of their own, and say what was refused."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from sprag.queue import DatabaseReadOnly, QueueService

NOBODY = 65534


def outcome(use: Callable[[], object]) -> str:
    try:
        use()
    except DatabaseReadOnly as error:
        assert error.path == sys.argv[1], error.path
        assert sys.argv[1] in str(error), error
        return f"refused {type(error).__name__}"
    return "accepted"


if os.getuid() == 0:
    os.setgid(NOBODY)
    os.setuid(NOBODY)
queue = QueueService(name="work", database=sys.argv[1])
print(outcome(queue.counts))
print(outcome(lambda: queue.enqueue(1)))
queue.stop()
