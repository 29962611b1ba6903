"""Use a queue whose file cannot be written, and again when it can."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from sprag.queue import DatabaseReadOnly, QueueService, WriteUnknown


class Queue(QueueService):
    name = "work"

    def handle_item(self, item: Any) -> Any:
        return item


file = Path(sys.argv[1])
if os.getuid() == 0:
    os.chown(file.parent, 65534, 65534)
    os.setgid(65534)
    os.setuid(65534)
first = Queue(database=file)
first.enqueue(1)
first.stop()
queue = Queue(database=file)
file.chmod(0o444)
uses: tuple[Callable[[], object], ...] = (
    lambda: queue.enqueue(2),
    queue.start,
    lambda: queue.enqueue(2),
)
for use in uses:
    try:
        use()
    except DatabaseReadOnly as error:
        assert sys.argv[1] in str(error), error
    else:
        raise AssertionError("it could write")
file.chmod(0o644)
# SQLite has made the log read-only, as the file was, and now mends that.
with suppress(WriteUnknown):
    queue.start()
with queue:
    job = queue.enqueue(3)
    print(queue.wait(job.id, 60).status, len(queue.jobs().jobs))
