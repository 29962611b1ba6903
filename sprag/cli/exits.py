"""Exit codes: the list, and which error leads to which code."""

from __future__ import annotations

import re
from typing import Any, Final

from .. import queue

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2
DATABASE: Final = 3
NO_EXTRA: Final = 4
INTERRUPTED: Final = 130
CLOSED_PIPE: Final = 141

MEANINGS: Final[dict[int, str]] = {
    OK: "success",
    FAILED: "failure, full or partial: the job does not exist, its state does not allow it, the "
    "queue is full, `check` found a problem, or a job that `watch` waited for did not complete",
    USAGE: "invalid option, argument or setting; nothing was changed",
    DATABASE: "the database cannot be used: it is missing, not a sprag database, newer than this "
    "version, locked, read-only or damaged, or its disk is full",
    NO_EXTRA: "an extra is not installed: pip install 'sprag-queue[cli]', or for `run` "
    "'sprag-queue[cli,web]'",
    INTERRUPTED: "ended by Ctrl-C (143: by SIGTERM); `work` and `run` stop in order and return 0",
    CLOSED_PIPE: "the reader of the output is gone",
}


class Refusal(Exception):
    """Ends the command with a message and an exit code.

    `kind` is a word for scripts. `facts` go into the JSON form.
    """

    def __init__(
        self, message: str, *, kind: str = "failed", code: int = FAILED, **facts: Any
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.code = code
        self.facts = facts


def refusal_of(error: queue.QueueError) -> Refusal:
    """Return the refusal that reports an error of the queue."""
    code = FAILED
    if isinstance(error, queue.DatabaseError):
        code = DATABASE
    elif isinstance(error, queue.ConfigurationError | queue.PayloadError):
        code = USAGE
    facts = {name: value for name, value in vars(error).items() if not name.startswith("_")}
    return Refusal(str(error), kind=_words(type(error).__name__), code=code, **facts)


def _words(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
