"""Durable background jobs for Python web apps, with nothing to run beside them.

The names come from `sprag.queue`, `sprag.web` and `sprag.browser` at first use, so that
`import sprag` costs nothing.

PYTEST_DONT_REWRITE: there is a plugin, so pytest would warn if this was imported before it began.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .browser.python import Module as Module
    from .queue import Backoff as Backoff
    from .queue import Cron as Cron
    from .queue import Every as Every
    from .queue import Fail as Fail
    from .queue import Job as Job
    from .queue import JobCancelled as JobCancelled
    from .queue import QueueError as QueueError
    from .queue import QueueService as QueueService
    from .queue import Retry as Retry
    from .queue import task as task
    from .web import ActionError as ActionError
    from .web import App as App
    from .web import Controller as Controller
    from .web import Field as Field
    from .web import Schema as Schema
    from .web import Upload as Upload
    from .web import action as action

__version__ = "0.1.0"

_HOMES = {
    **dict.fromkeys(
        (
            "Backoff",
            "Cron",
            "Every",
            "Fail",
            "Job",
            "JobCancelled",
            "QueueError",
            "QueueService",
            "Retry",
            "task",
        ),
        "queue",
    ),
    **dict.fromkeys(
        ("ActionError", "App", "Controller", "Field", "Schema", "Upload", "action"), "web"
    ),
    "Module": "browser.python",
}

__all__ = [
    "ActionError",
    "App",
    "Backoff",
    "Controller",
    "Cron",
    "Every",
    "Fail",
    "Field",
    "Job",
    "JobCancelled",
    "Module",
    "QueueError",
    "QueueService",
    "Retry",
    "Schema",
    "Upload",
    "__version__",
    "action",
    "task",
]


if not TYPE_CHECKING:  # a checker would take any name for one of ours

    def __getattr__(name: str) -> Any:
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        try:
            module = importlib.import_module(f".{home}", __name__)
        except ModuleNotFoundError as error:
            if home != "web" or (error.name or "").startswith(__name__):
                raise
            raise ModuleNotFoundError(
                f"sprag.{name} needs {error.name}, which is not installed: "
                "pip install 'sprag-queue[web]'",
                name=error.name,
            ) from error
        return getattr(module, name)


def __dir__() -> list[str]:
    return sorted(__all__)
