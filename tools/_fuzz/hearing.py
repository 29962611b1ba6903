"""What sprag logs while it is tried, and which of its threads die."""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager


class Ear(logging.Handler):
    """Hears what sprag logs, and which threads die of what."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[str] = []
        self.deaths: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING and not record.getMessage().startswith("job "):
            self.records.append(record.getMessage())

    def died(self, arguments: threading.ExceptHookArgs) -> None:
        name = arguments.thread.name if arguments.thread else "?"
        trace = traceback.format_tb(arguments.exc_traceback)
        self.deaths.append(f"{name} died of {arguments.exc_value!r} {''.join(trace[-2:])}")


@contextmanager
def listening() -> Iterator[Ear]:
    """Hear all that is logged in the block."""
    ear = Ear()
    logger = logging.getLogger("sprag")
    before, threading.excepthook = threading.excepthook, ear.died
    logger.addHandler(ear)
    propagate, logger.propagate = logger.propagate, False
    try:
        yield ear
    finally:
        logger.removeHandler(ear)
        logger.propagate = propagate
        threading.excepthook = before
