"""The log of a program that runs until it is stopped: one line per record, on standard error."""

from __future__ import annotations

import json
import logging
import logging.config
import re
from typing import Any, Final

from .text import lines, moment, one_line

LEVELS: Final = ("debug", "info", "warning", "error")
_SELDOM_SECONDS: Final = 60.0
# Also where the name itself is percent-encoded: then everything after the "=" is hidden.
_SECRETS: Final = re.compile(
    r"((?:[?&;]|^)[^=&;\s]*"
    r"(?:token|secret|passw|password|passwd|pwd|auth|session|signature|api_?key|access_?key|%)"
    r"[^=&;\s]*=)[^&;\s]*",
    re.IGNORECASE,
)


def log_to_stderr(level: str, *, as_json: bool) -> None:
    """Log from this level on, for people, or as one JSON object per line for programs."""
    logging.config.dictConfig(log_config(level, as_json=as_json))


def log_config(level: str, *, as_json: bool) -> dict[str, Any]:
    """Return the same as a configuration, which can be passed to another process."""
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


def without_tokens(config: dict[str, Any]) -> dict[str, Any]:
    """Return such a configuration with which no address in the log shows a token."""
    config["filters"]["tokens"] = {"()": f"{__name__}.{WithoutTokens.__name__}"}
    for handler in config["handlers"].values():
        handler["filters"] = [*handler.get("filters", ()), "tokens"]
    return config


class Seldom(logging.Filter):
    """Reports once a minute that the process has too many open files to accept a connection.

    asyncio reports it for each waiting connection at each look: thousands of tracebacks a second,
    which would leave no time for anything else.
    """

    def __init__(self) -> None:
        super().__init__()
        self._next = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        said = str(record.msg)
        if said.startswith("Exception in callback BaseSelectorEventLoop._start_serving"):
            return False  # the server stopped before asyncio looked again
        if not said.startswith("socket.accept() out of system resource"):
            return True
        if record.created < self._next:
            return False
        self._next = record.created + _SELDOM_SECONDS
        # Without the traceback: to format it, files would have to be opened.
        record.exc_info = None
        record.msg = (
            "no further connection can be accepted: this process or the system has reached its "
            "limit of open files (ulimit -n)"
        )
        return True


class PlainLines(logging.Formatter):
    """One line per record, with the traceback below it. Text of a job cannot look like a record."""

    def format(self, record: logging.LogRecord) -> str:
        head = f"{moment(record.created)} {record.levelname.lower():7} {record.name}"
        text = f"{head}: {one_line(record.getMessage())}"
        if record.exc_info:
            trace = lines(self.formatException(record.exc_info))
            text += "".join(f"\n    {line}" for line in trace.split("\n"))
        return text


class JsonLines(logging.Formatter):
    """One JSON object per record."""

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


class WithoutTokens(logging.Filter):
    """Hides the values of tokens, passwords and the like in the addresses that uvicorn logs."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith("uvicorn") and isinstance(record.args, tuple):
            record.args = tuple(
                _SECRETS.sub(r"\1***", value) if isinstance(value, str) else value
                for value in record.args
            )
        return True
