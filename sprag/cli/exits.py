"""Exit codes: the one list, and which error leads to which."""

from __future__ import annotations

import re
from typing import Any, Final

from ..queue import errors

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2
DATABASE: Final = 3
NO_EXTRA: Final = 4
INTERRUPTED: Final = 130
CLOSED_PIPE: Final = 141

MEANINGS: Final[dict[int, str]] = {
    OK: "done as asked",
    FAILED: "not done, or not all of it: no such job, a state that does not allow it, a full "
    "queue; `check` found something; a job that `watch` waited for did not complete",
    USAGE: "a wrong option, argument or setting; nothing was done",
    DATABASE: "the database cannot be used: missing, no database of sprag's, newer, locked, "
    "read-only, damaged, or its disk is full",
    NO_EXTRA: "an extra is not installed: pip install 'sprag-queue[cli]', for `run` "
    "'sprag-queue[cli,web]'",
    INTERRUPTED: "ended by Ctrl-C (143: by SIGTERM); `work` and `run` stop in order and end with 0",
    CLOSED_PIPE: "nobody reads the output any more",
}


class Refusal(Exception):
    """The command ends here, with a message and an exit code.

    `kind` is a word that scripts can tell errors by, `facts` go into the JSON form.
    """

    def __init__(
        self, message: str, *, kind: str = "failed", code: int = FAILED, **facts: Any
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.code = code
        self.facts = facts


def refusal_of(error: errors.QueueError) -> Refusal:
    """What an error of the queue means for whoever called the program."""
    code = FAILED
    if isinstance(error, errors.DatabaseError):
        code = DATABASE
    elif isinstance(error, errors.ConfigurationError | errors.PayloadError):
        code = USAGE
    facts = {name: value for name, value in vars(error).items() if not name.startswith("_")}
    return Refusal(str(error), kind=_words(type(error).__name__), code=code, **facts)


def _words(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
