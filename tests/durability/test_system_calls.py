"""The package's own system calls fail: those on lock files, on the reserve and on their folder.

Those of SQLite fail in test_every_call.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.support import said

NOT_WRITABLE = """
    import os, sys
    from pathlib import Path
    from sprag.queue import DatabaseReadOnly, QueueService, WriteUnknown

    class Queue(QueueService):
        name = "work"

        def handle_item(self, item):
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
    for use in (lambda: queue.enqueue(2), queue.start, lambda: queue.enqueue(2)):
        try:
            use()
        except DatabaseReadOnly as error:
            assert sys.argv[1] in str(error), error
        else:
            raise AssertionError("it could write")
    file.chmod(0o644)
    try:
        queue.start()
    except WriteUnknown:
        pass  # SQLite has made the log read-only, as the file was, and now mends that
    with queue:
        job = queue.enqueue(3)
        print(queue.wait(job.id, 60).status, len(queue.jobs().jobs))
"""


def test_a_file_that_could_not_be_written_is_used_as_soon_as_it_can() -> None:
    # pytest's own folders may not be entered by another user.
    with tempfile.TemporaryDirectory() as folder:
        assert said(NOT_WRITABLE, Path(folder).resolve() / "jobs.db") == "completed 2"
