"""The line to the page: JSON texts through two functions, one each way."""

from __future__ import annotations

TYPE_CHECKING = False  # known to checkers by its name; a browser needs no types
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

page: dict[str, Callable[..., Any]] = {}
"""What the page has given: `call`, `loads`, `dumps` and `spawn`. Empty on a server."""


def call(verb: str, **fields: Any) -> Any:
    """Ask the page for something. Raises LookupError for what is gone, ValueError for what is
    refused, RuntimeError where there is no page."""
    require_page(verb)
    answer = page["loads"](page["call"](page["dumps"]({"do": verb, **fields})))
    if "error" in answer:
        kind = LookupError if answer["gone"] else ValueError
        raise kind(answer["error"])
    return answer["value"]


def require_page(verb: str) -> None:
    """Raise RuntimeError on a server."""
    if not page:
        raise RuntimeError(f"a Module runs in the browser: there is no page here for {verb}()")
