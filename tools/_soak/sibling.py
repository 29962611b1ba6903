"""A process that opens the file, enqueues and closes it, again and again.

It writes "enqueued <queue> <job>" for each acknowledged job, and in the end "logged <what>"
for what sprag logged without a reason. Arguments: the file, seconds between two openings. Until its
standard input is closed.
"""

from __future__ import annotations

import itertools
import os
import select
import sys

from _soak.said import Said
from _soak.work import Awaiting, Plain


def main() -> None:
    """Open, enqueue, close; each fourth time it runs jobs as well."""
    said = Said()
    path, pause = sys.argv[1], float(sys.argv[2])
    for round_ in itertools.count():
        queue = (Plain, Awaiting)[round_ % 2](database=path)
        if round_ % 4 == 3:
            queue.start()
        jobs = queue.enqueue_many([{"kind": "quick", "n": n} for n in range(10)])
        jobs.append(queue.enqueue({"kind": "quick", "n": 10}, delay=0.05))
        for job in jobs:
            os.write(1, f"enqueued {job.queue} {job.id}\n".encode())
        queue.stop()
        if select.select([0], [], [], pause)[0]:
            break
    for text in said.unexpected():
        os.write(1, f"logged {text}\n".encode())


if __name__ == "__main__":
    main()
