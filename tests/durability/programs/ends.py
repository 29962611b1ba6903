"""Runs the queue "work" of a file, and ends in one of several ways.

Arguments: the file, the queue's options as JSON, and the way. Its handlers go by what is enqueued;
each says when it has begun, and on which attempt.
"""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from sprag.queue import QueueService
from sprag.queue.service import life_of

faulthandler.dump_traceback_later(300, exit=True)
logging.basicConfig(format="%(levelname)s %(message)s")
watching, stopping = threading.Event(), threading.Event()


def say(*words: object) -> None:
    """Print a line in one piece, whichever thread does."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


class Work(QueueService):
    name = "work"

    def handle_item(self, item: Any) -> int:
        say("begun", self.current_job.attempt)
        if item == "until the stop":
            stopping.wait()
        elif item == "short":
            time.sleep(0.3)
        elif item == "looks":
            while True:
                self.check_cancelled()
                time.sleep(0.001)
        elif item == "endless":
            while True:
                time.sleep(1)
        elif item == "subprocess":
            process = subprocess.Popen(["sleep", "600"], close_fds=False)
            say("child", process.pid)
            time.sleep(600)
        elif item == "poison":
            os.kill(os.getpid(), signal.SIGKILL)
        return os.getpid()


def watch_for_the_stop() -> None:
    while (pool := life_of(queue).pool) is None:
        time.sleep(0.001)
    watching.set()
    while not all(ticket.stopping for ticket in pool._tickets):
        time.sleep(0.001)
    stopping.set()


def until_one_runs() -> None:
    while queue.counts()["running"] == 0:
        time.sleep(0.005)


def by_signal() -> None:
    """In a block, which a signal leaves."""
    with queue:
        watching.wait()
        say("ready")
        # In pieces: a signal that comes just before a sleep begins does not end it.
        while True:
            time.sleep(0.05)


def left() -> None:
    """At the end of the block, while a job runs."""
    with queue:
        until_one_runs()
    say("left")


def raising() -> None:
    """By an error in the block, while a job runs."""
    with queue:
        until_one_runs()
        raise ValueError("of the application")


def without_stop() -> None:
    """Without a stop, while a job runs."""
    queue.start()
    until_one_runs()
    sys.exit(3)


def after_an_outcome() -> None:
    """By a kill, at once after the outcome of a job was acknowledged."""
    with queue:
        job = queue.enqueue("quick")
        queue.wait(job.id)
        say(job.id)
        os.kill(os.getpid(), signal.SIGKILL)


WAYS: dict[str, Callable[[], None]] = {
    way.__name__: way for way in (by_signal, left, raising, without_stop, after_an_outcome)
}

queue = Work(database=sys.argv[1], **json.loads(sys.argv[2]))
threading.Thread(target=watch_for_the_stop, daemon=True).start()
WAYS[sys.argv[3]]()
