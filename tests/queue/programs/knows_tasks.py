"""Runs the tasks of queue `mail` that the command line names after the file, until its input ends:
a process of an older or a newer version of an application."""

from __future__ import annotations

import os
import sys
from typing import Any

from sprag.queue import QueueService, task


def ran(self: Any, number: int) -> list[Any]:
    """What is known of the run."""
    return [os.getpid(), self.current_job.task, number]


class Mail(QueueService):
    name = "mail"
    worker_count = 2


def made(names: list[str]) -> type[QueueService]:
    """The class with these tasks; "-" stands for `handle_item`."""
    body: dict[str, Any] = {name: task(name=name)(ran) for name in names if name != "-"}
    if "-" in names:
        body["handle_item"] = ran
    return type("Mail", (Mail,), body)


with made(sys.argv[2:])(database=sys.argv[1]):
    print(os.getpid(), flush=True)
    sys.stdin.read()
