"""What can go wrong in the web tier, apart from what the queue itself raises."""

from __future__ import annotations

from collections.abc import Sequence

from ..queue.errors import ConfigurationError


class StartupError(ConfigurationError):
    """The application cannot work as it is written; raised before it serves anything."""


class ActionError(Exception):
    """A call of an action was refused. An action may raise it too; the page gets all of it.

    `status` is the HTTP status, `type` a word for programs, `fields` dicts of
    `field`, `type` and `message`, one for each wrong field.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        type: str = "refused",  # noqa: A002 - the name it has in the answer
        fields: Sequence[dict[str, str]] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.type = type
        self.fields = list(fields)
