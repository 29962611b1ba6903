"""Handlers: functions of the author that the page calls by their numbers."""

from __future__ import annotations

from .line import page

TYPE_CHECKING = False  # known to checkers by its name; a browser needs no types
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Handler = Callable[..., Any]

callbacks: dict[int, tuple[int, Handler]] = {}
"""By number: the number of the module that it belongs to, and the handler."""

_last_callback = 0


def keep(owner: int, handler: Handler) -> int:
    """The number under which the page may call this handler while its module runs."""
    global _last_callback  # noqa: PLW0603 - a counter; browsers have no itertools
    _last_callback += 1
    callbacks[_last_callback] = (owner, callable_only(handler))
    return _last_callback


def callable_only(handler: Handler) -> Handler:
    """The handler. Raises TypeError for anything that is not one."""
    if not callable(handler):
        raise TypeError(f"expected a function as the handler, got {handler!r}")
    return handler


def run(handler: Handler, *offered: Any) -> bool | None:
    """What a handler returns, or None. A coroutine goes on by itself."""
    result = handler(*offered[: _taken(handler, len(offered))])
    if type(result).__name__ == "coroutine":
        page["spawn"](result)
    return result if isinstance(result, bool) else None


def _taken(handler: Handler, offered: int) -> int:
    """How many of the offered arguments the handler has parameters for."""
    code = getattr(getattr(handler, "__func__", handler), "__code__", None)
    if code is None or code.co_flags & 4:  # not Python's own, or with *args
        return offered
    bound = 1 if hasattr(handler, "__self__") else 0
    return min(offered, int(code.co_argcount) - bound)
