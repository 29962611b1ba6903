"""Use a queue when no more files may be opened, and again when they may."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sprag.queue import DatabaseReadOnly, QueueService


class Queue(QueueService):
    name = "work"

    def handle_item(self, item: Any) -> Any:
        return item


soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
queue = Queue(database=sys.argv[1])
job = queue.enqueue(1)
known = {int(name.name) for name in Path("/dev/fd").iterdir()}
resource.setrlimit(resource.RLIMIT_NOFILE, (max(known) + 1, hard))
held = []
try:
    while True:
        held.append(Path("/dev/null").open())  # noqa: SIM115 - held until below
except OSError:
    pass
uses: tuple[Callable[[], object], ...] = (queue.start, queue.counts, queue.start)
for use in uses:
    try:
        use()
    except DatabaseReadOnly as error:
        told = str(error)
        assert sys.argv[1] in told, told
        assert "more files" in told or "many open files" in told, told
    else:
        raise AssertionError("it could")
for file in held:
    file.close()
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
with queue:
    print(queue.wait(job.id, 60).status)
