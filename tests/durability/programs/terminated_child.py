"""Forks a child that gets SIGTERM: before anything of sprag runs in it, or later.

Arguments: the file, and "early" or "later".
"""

from __future__ import annotations

import os
import signal
import sys
import time
import warnings
from typing import Any

armed = False


def terminate() -> None:
    if armed:
        os.kill(os.getpid(), signal.SIGTERM)


os.register_at_fork(after_in_child=terminate)  # before sprag's own

from sprag.queue import QueueService

warnings.simplefilter("ignore", DeprecationWarning)


class Work(QueueService):
    name = "work"
    grace_seconds = 30.0

    def handle_item(self, item: Any) -> None: ...


path, when = sys.argv[1:]
with Work(database=path):
    armed = when == "early"
    pid = os.fork()
    if pid == 0:
        if not armed:
            os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(30)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code == -signal.SIGTERM, code
    armed = False
    # The parent still stops in order.
    assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, [])
