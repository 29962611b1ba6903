"""Durable background jobs for Python web apps, with nothing to run beside them.

The names come from `sprag.queue` at first use, so that `import sprag` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .queue import Backoff as Backoff
    from .queue import Job as Job
    from .queue import JobCancelled as JobCancelled
    from .queue import QueueError as QueueError
    from .queue import QueueService as QueueService

__version__ = "0.1.0"

_QUEUE_NAMES = ("Backoff", "Job", "JobCancelled", "QueueError", "QueueService")

__all__ = ["Backoff", "Job", "JobCancelled", "QueueError", "QueueService", "__version__"]


def __getattr__(name: str) -> Any:
    if name in _QUEUE_NAMES:
        from . import queue  # at first use, as the docstring says

        return getattr(queue, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
