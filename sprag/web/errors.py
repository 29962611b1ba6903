"""The errors of pages, apart from those that the queue raises."""

from __future__ import annotations

from collections.abc import Sequence

from ..queue import ConfigurationError


class StartupError(ConfigurationError):
    """The application cannot work as it is written. Raised before it serves anything."""


class SessionTooLarge(ValueError):
    """A session would take `size` bytes of its cookie; browsers keep at most `limit`."""

    def __init__(self, size: int, limit: int, largest: str, largest_size: int) -> None:
        super().__init__(
            f"session: it would take {size:,} bytes of its cookie, and browsers keep at most "
            f"{limit:,}, so it was not changed; the largest key is {largest!r}, with "
            f"{largest_size:,} bytes. Store the data in your own database or file, and only its "
            "key in the session"
        )
        self.size = size
        self.limit = limit


class ActionError(Exception):
    """A call of an action was refused. An action may raise it too; the page gets all of it.

    `status` is the HTTP status, `type` a word for programs, `fields` a dict of
    `field`, `type` and `message` for each wrong field.
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
        self.fields: list[dict[str, str]] = list(fields)
