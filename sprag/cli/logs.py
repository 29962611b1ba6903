"""The log of a program that runs until it is told to stop: a line a record on standard error."""

from __future__ import annotations

import json
import logging
import logging.config
from typing import Any, Final

from .text import lines, moment, one_line

LEVELS: Final = ("debug", "info", "warning", "error")


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
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "stream": "ext://sys.stderr",
                "formatter": "line",
            }
        },
        "root": {"level": level.upper(), "handlers": ["stderr"]},
    }


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
