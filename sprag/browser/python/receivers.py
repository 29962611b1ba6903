"""What the page tells: a file to load, a module to start or to stop, something for a handler."""

from __future__ import annotations

from .elements import Element
from .events import Event
from .handlers import callbacks, run
from .line import call, page
from .module import Module
from .results import Result

TYPE_CHECKING = False  # known to checkers by its name; a browser needs no types
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .handlers import Handler

_modules: dict[int, Module] = {}


def connect(
    call_page: Callable[[str], str],
    loads: Callable[[str], Any],
    dumps: Callable[[Any], str],
    spawn: Callable[[Any], Any],
) -> Callable[[str], str]:
    """Return the function that the page sends texts to. The bridge of a browser's Python calls it.

    `call_page` takes a text to the page and brings one back, at once. `spawn` runs a coroutine.
    """
    page.update(call=call_page, loads=loads, dumps=dumps, spawn=spawn)

    def receive(text: str) -> str:
        message = loads(text)
        return dumps(_RECEIVERS[message.pop("do")](**message))

    return receive


def _load(name: str) -> list[dict[str, Any]]:
    """The modules of a page's file, with the names that its markup may call."""
    file = __import__(name)
    found = []
    for kind in vars(file).values():
        if not isinstance(kind, type) or not issubclass(kind, Module) or kind is Module:
            continue
        if kind.__module__ != name or kind.__name__.startswith("_"):
            continue
        methods = [
            method
            for method in dir(kind)
            if not hasattr(Module, method) and callable(getattr(kind, method))
        ]
        found.append({"name": kind.__name__, "methods": methods})
    return found


def _start(file: str, kind: str, module: int, state: dict[str, Any], element: int) -> bool:
    """Return True, so that the page knows that nothing was raised."""
    cls = getattr(__import__(file), kind)
    # Set before __init__, so that an author's __init__ need not know about it.
    instance = cls.__new__(cls)
    instance._number = module
    instance.state = state
    instance.element = Element(element)
    _modules[module] = instance
    instance.__init__()
    result = instance.on_start()
    if type(result).__name__ == "coroutine":
        page["spawn"](_started(kind, result))
    return True


async def _started(kind: str, coroutine: Any) -> None:
    try:
        await coroutine
    except Exception as error:
        call("start_failed", name=kind, trace=f"{type(error).__name__}: {error}")
        raise  # to the console, with its traceback


def _stop(module: int) -> None:
    for callback, (owner, _) in list(callbacks.items()):
        if owner == module:
            del callbacks[callback]
    if module in _modules:
        run(_modules.pop(module).on_stop)


def _method(module: int, name: str, event: dict[str, Any]) -> None:
    if module in _modules:
        happened = Event(event)
        run(getattr(_modules[module], name), happened, happened.target)


def _callback(callback: int, kind: str, value: Any = None, once: bool = False) -> Any:
    """True if there was such a callback, and what it was for was done."""
    if callback not in callbacks:
        return True
    _, handler = callbacks.pop(callback) if once else callbacks[callback]
    if kind == "event":
        happened = Event(value)
        return run(handler, happened, happened.target)
    if kind == "timer":
        return run(handler)
    return run(handler, Result(value) if kind == "result" else value)


_RECEIVERS: dict[str, Handler] = {
    "load": _load,
    "start": _start,
    "stop": _stop,
    "method": _method,
    "callback": _callback,
}
