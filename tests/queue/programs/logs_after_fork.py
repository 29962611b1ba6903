"""Log in a forked child whose parent's log handler does not return."""

from __future__ import annotations

import logging
import os
import threading

from sprag.queue.threads.logs import Log, settle

begun, go = threading.Event(), threading.Event()


class Prints(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if os.getpid() == parent:
            begun.set()
            go.wait()
        print(record.getMessage(), flush=True)


parent = os.getpid()
logging.getLogger("sprag.queue").addHandler(Prints())
log = Log("sprag.queue")
log.error("parent")
begun.wait()
child = os.fork()
if not child:
    log.error("child")
    settle(30)
    os._exit(0)
os.waitpid(child, 0)
go.set()
settle(30)
