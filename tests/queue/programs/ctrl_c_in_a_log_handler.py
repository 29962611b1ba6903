"""Ctrl-C while the main thread runs a log handler."""

from __future__ import annotations

import logging
import signal

from sprag.queue.threads.logs import Log


class Interrupts(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        signal.raise_signal(signal.SIGINT)


signal.signal(signal.SIGINT, signal.default_int_handler)
logging.getLogger("sprag.web").addHandler(Interrupts())
try:
    Log("sprag.web", here_always=True).error("a line")
except KeyboardInterrupt:
    print("KeyboardInterrupt")
