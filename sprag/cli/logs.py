"""The log of a program that runs until it is told to stop: a line a record on standard error."""

from __future__ import annotations

import json
import logging
import logging.config
from typing import Any, Final

from .text import lines, moment, one_line

LEVELS: Final = ("debug", "info", "warning", "error")
_SELDOM_SECONDS: Final = 60.0


def log_to_stderr(level: str, *, as_json: bool) -> None:
    """Log from this level on, for people or, an object a line, for programs."""
    logging.config.dictConfig(log_config(level, as_json=as_json))


def log_config(level: str, *, as_json: bool) -> dict[str, Any]:
    """The same, as a description that another process can be given."""
    kind = JsonLines if as_json else PlainLines
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": f"{__name__}.{kind.__name__}"}},
        "filters": {"seldom": {"()": f"{__name__}.{Seldom.__name__}"}},
        "loggers": {"asyncio": {"filters": ["seldom"]}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "stream": "ext://sys.stderr",
                "formatter": "line",
            }
        },
        "root": {"level": level.upper(), "handlers": ["stderr"]},
    }


class Seldom(logging.Filter):
    """Says once a minute that no connection can be taken, since the process has as many files open
    as it may. asyncio says it for each that waits and each time it looks: thousands of tracebacks
    a second, beside which nothing else would be done."""

    def __init__(self) -> None:
        super().__init__()
        self._next = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        said = str(record.msg)
        if said.startswith("Exception in callback BaseSelectorEventLoop._start_serving"):
            return False  # it stopped before it looked again, which it would have a second later
        if not said.startswith("socket.accept() out of system resource"):
            return True
        if record.created < self._next:
            return False
        self._next = record.created + _SELDOM_SECONDS
        # Without the traceback, to format which files would have to be opened.
        record.exc_info = None
        record.msg = (
            "no further connection can be taken: this process has as many files open as it may "
            "(ulimit -n), or the system has"
        )
        return True


class PlainLines(logging.Formatter):
    """One line a record, with tracebacks below it. What a job says cannot look like a record."""

    def format(self, record: logging.LogRecord) -> str:
        head = f"{moment(record.created)} {record.levelname.lower():7} {record.name}"
        text = f"{head}: {one_line(record.getMessage())}"
        if record.exc_info:
            trace = lines(self.formatException(record.exc_info))
            text += "".join(f"\n    {line}" for line in trace.split("\n"))
        return text


class JsonLines(logging.Formatter):
    """One JSON object a record."""

    def format(self, record: logging.LogRecord) -> str:
        trace = self.formatException(record.exc_info) if record.exc_info else None
        return json.dumps(
            {
                "at": record.created,
                "level": record.levelname.lower(),
                "logger": record.name,
                "message": record.getMessage(),
                "traceback": trace,
            }
        )
