"""Calls of actions, and what comes of them."""

from __future__ import annotations

from .handlers import callable_only, run

TYPE_CHECKING = False  # known to checkers by its name; a browser needs no types
if TYPE_CHECKING:
    from typing import Any

    from .handlers import Handler


class Call:
    """A call of an action: says what happens with its result."""

    def __init__(self) -> None:
        self._result: Result | None = None
        self._done: list[Handler] = []
        self._failed: list[Handler] = []

    def then(self, handler: Handler) -> Call:
        """Call `handler(result)` if the action succeeds. Returns the call, for a `.catch`."""
        return self._add(self._done, handler, ok=True)

    def catch(self, handler: Handler) -> Call:
        """Call `handler(result)` if it fails: `result.error` says why. Returns the call."""
        return self._add(self._failed, handler, ok=False)

    def _add(self, handlers: list[Handler], handler: Handler, *, ok: bool) -> Call:
        handlers.append(callable_only(handler))
        if self._result is not None and self._result.ok == ok:
            run(handler, self._result)
        return self

    def _finish(self, result: Result) -> bool:
        """True if a handler took the result."""
        self._result = result
        handlers = self._done if result.ok else self._failed
        for handler in handlers:
            run(handler, result)
        return result.ok or bool(handlers)


class Result:
    """The answer of an action: `ok`, `value` (JSON), `status` (of HTTP; 0 if none), `error`."""

    def __init__(self, said: dict[str, Any]) -> None:
        self.ok: bool = said["ok"]
        self.value: Any = said["value"]
        self.status: int = said["status"]
        error = said["error"]
        self.error: ActionError | None = error and ActionError(error)

    def __repr__(self) -> str:
        return f"<Result {self.value!r}>" if self.ok else f"<Result {self.error!r}>"


class ActionError:
    """Why an action failed. `fields` has a dict of field, type and message for each wrong field.

    `type` is the server's word, such as invalid_payload or unknown_job, or "network" if the
    server could not be reached.
    """

    def __init__(self, said: dict[str, Any]) -> None:
        self.type: str = said["type"]
        self.message: str = said["message"]
        self.fields: list[dict[str, str]] = said["fields"]

    def __repr__(self) -> str:
        return f"{self.type}: {self.message}"
