"""Works on a database as a user of a group: with the umask of a careful person, and with the
groups that the command line names. It may also name the call of the system at which the process
dies while it makes the folder beside the database."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from typing import Any

from sprag.queue import QueueService
from sprag.queue.liveness.processes import processes_of
from sprag.queue.service import life_of


def say(line: str) -> None:
    """Print a line in one piece: several threads do."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class Members(QueueService):
    name = "members"
    worker_count = 1
    grace_seconds = 0.0

    def handle_item(self, item: str) -> int:
        say(f"runs {os.getuid()}")
        if os.getuid() == HOLDER:
            threading.Event().wait()
        return os.getuid()


class Told(logging.Handler):
    """What is logged, on standard output."""

    def emit(self, record: logging.LogRecord) -> None:
        say(f"logged {record.getMessage()}")


def die(call: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook, which kills the process instead of the call."""
    if call == dies_at and (call in ("os.chmod", "os.rename") or ".sprag-" in str(arguments[0])):
        os.kill(os.getpid(), signal.SIGKILL)


HOLDER = 2001

if __name__ == "__main__":
    database, user, groups = sys.argv[1], int(sys.argv[2]), [int(g) for g in sys.argv[3].split(",")]
    logging.getLogger("sprag.queue").addHandler(Told())
    os.umask(0o077)
    dies_at = sys.argv[4]
    if dies_at:
        sys.addaudithook(die)
    if os.getuid() != user:
        os.setgroups(groups)
        os.setgid(groups[0])
        os.setuid(user)
    queue = Members(database=database)
    queue.start()
    if user == HOLDER:
        queue.enqueue("held")
    say("started")
    for line in sys.stdin:
        if line == "processes\n":
            engine = life_of(queue).open()
            for process in processes_of(engine.store, engine.folder):
                say(f"process {process.state} {process.reason}")
    queue.stop()
