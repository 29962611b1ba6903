"""Class Module: the code of a page in Python."""

from __future__ import annotations

from .elements import Element
from .events import File
from .handlers import callbacks, keep
from .line import call, require_page
from .results import Call

TYPE_CHECKING = False  # known to checkers by its name; a browser needs no types
if TYPE_CHECKING:
    from typing import Any

    from .handlers import Handler


class Module:
    """Code that belongs to an element of a page: subclass it.

    The element is the one with `data-module="ClassName"`, or the page's body if none has it.
    Markup inside it shows `state` and calls methods: `data-text="message"`,
    `data-on-click="on_cancel"`. Handlers may be `async def`, and get as many of their arguments
    as they have parameters.
    """

    state: dict[str, Any]
    """What the markup shows. Begins as a copy of what the controller's `load()` returned."""

    element: Element

    _number: int = 0

    def on_start(self) -> Any:
        """Called once the page is ready: subscribe and start timers here."""

    def on_stop(self) -> Any:
        """Called when the page goes away or the element has left it. Timers and subscriptions have
        ended already."""

    def on_socket(self, signal: str, handler: Handler) -> None:
        """Call `handler(data)` for every signal of this name, such as `sprag:queue.job.changed`.

        None comes twice, and none is missing after the connection was lost in between. The signal
        `sprag:connection.changed` reports that, with `data["online"]`.
        """
        call("on_socket", module=self._number, signal=signal, callback=keep(self._number, handler))

    def call_action(self, name: str, payload: dict[str, Any] | None = None) -> Call:
        """Call an action of the server. `payload` is JSON; a field may be a File or a list of them.

        Without a `.catch` on the call, a failure is written to the console.
        Results about one job come in the order of the calls, and the signals of a job come after
        the result of the call that enqueued it.
        """
        fields, files = {}, {}
        for field, value in (payload or {}).items():
            listed = value if isinstance(value, (list, tuple)) else [value]
            if listed and all(isinstance(entry, File) for entry in listed):
                files[field] = [entry._number for entry in listed]
            else:
                fields[field] = _jsonable(value, f"payload[{field!r}]")
        made = Call()
        call(
            "call_action",
            module=self._number,
            name=name,
            payload=fields,
            files=files,
            callback=keep(self._number, made._finish),
        )
        return made

    def set_state(self, changes: dict[str, Any]) -> None:
        """Change names of the state, and whatever the page shows of them. Values are JSON."""
        require_page("set_state")
        sent = _jsonable(changes, "changes")
        # Before the page shows it: a focus that moves may call a handler that reads the state.
        self.state.update(changes)
        call("set_state", module=self._number, changes=sent)

    def delegate(self, element: Element, event: str, selector: str, handler: Handler) -> None:
        """Call `handler(event, target)` for events in `element` at elements that match `selector`,
        now or later; `target` is the element that matches.
        """
        call(
            "delegate",
            module=self._number,
            element=element._number,
            event=event,
            selector=selector,
            callback=keep(self._number, handler),
        )

    def after(self, seconds: float, handler: Handler) -> Timer:
        """Call `handler()` once, after this many seconds."""
        return self._timer("after", seconds, handler)

    def every(self, seconds: float, handler: Handler) -> Timer:
        """Like `after`, but repeatedly."""
        return self._timer("every", seconds, handler)

    def _timer(self, verb: str, seconds: float, handler: Handler) -> Timer:
        callback = keep(self._number, handler)
        call(verb, module=self._number, seconds=seconds, callback=callback)
        return Timer(callback)


class Timer:
    """A timer that `after` or `every` has started."""

    def __init__(self, callback: int) -> None:
        self._callback = callback

    def cancel(self) -> None:
        """Stop the timer. Calling this twice is fine."""
        call("cancel", callback=self._callback)
        callbacks.pop(self._callback, None)


def _jsonable(value: Any, where: str) -> Any:
    """A copy of the value as JSON holds it. TypeError, with the place, if JSON cannot hold it."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [_jsonable(entry, f"{where}[{at}]") for at, entry in enumerate(value)]
    if isinstance(value, dict):
        return {str(key): _jsonable(entry, f"{where}[{key!r}]") for key, entry in value.items()}
    if isinstance(value, File):
        raise TypeError(f"{where} is a file: files belong at the top level of an action's payload")
    raise TypeError(f"{where} is a {type(value).__name__}, which JSON cannot hold")
