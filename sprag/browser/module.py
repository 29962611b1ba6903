"""Class Module: the code of a page in Python, and the objects that its methods return.

This one file is two things. In a browser it is the module `sprag`, so that a page's file says
`from sprag import Module`. On a server it can be imported for its names and types, for editors and
checkers; its methods refuse to work there. It therefore imports nothing that a browser lacks, which
is nearly everything: `connect` gives it the functions that it needs.
"""

from __future__ import annotations

TYPE_CHECKING = False  # a browser's `typing` has no such name; type checkers know it by its name
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    Handler = Callable[..., Any]

__all__ = [
    "ActionError",
    "Attributes",
    "Call",
    "Classes",
    "Element",
    "Event",
    "File",
    "Module",
    "Result",
    "Timer",
]


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
        _call("on_socket", module=self._number, signal=signal, callback=_keep(self, handler))

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
        call = Call()
        _call(
            "call_action",
            module=self._number,
            name=name,
            payload=fields,
            files=files,
            callback=_keep(self, call._finish),
        )
        return call

    def set_state(self, changes: dict[str, Any]) -> None:
        """Change names of the state, and whatever the page shows of them. Values are JSON."""
        _require_page("set_state")
        sent = _jsonable(changes, "changes")
        # Before the page shows it: a focus that moves may call a handler that reads the state.
        self.state.update(changes)
        _call("set_state", module=self._number, changes=sent)

    def delegate(self, element: Element, event: str, selector: str, handler: Handler) -> None:
        """Call `handler(event, target)` for events in `element` at elements that match `selector`,
        now or later; `target` is the element that matches.
        """
        _call(
            "delegate",
            module=self._number,
            element=element._number,
            event=event,
            selector=selector,
            callback=_keep(self, handler),
        )

    def after(self, seconds: float, handler: Handler) -> Timer:
        """Call `handler()` once, after this many seconds."""
        return self._timer("after", seconds, handler)

    def every(self, seconds: float, handler: Handler) -> Timer:
        """Like `after`, but repeatedly."""
        return self._timer("every", seconds, handler)

    def _timer(self, verb: str, seconds: float, handler: Handler) -> Timer:
        callback = _keep(self, handler)
        _call(verb, module=self._number, seconds=seconds, callback=callback)
        return Timer(callback)


class Timer:
    """A timer that `after` or `every` has started."""

    def __init__(self, callback: int) -> None:
        self._callback = callback

    def cancel(self) -> None:
        """Stop the timer. Calling this twice is fine."""
        _call("cancel", callback=self._callback)
        _callbacks.pop(self._callback, None)


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
        handlers.append(_callable(handler))
        if self._result is not None and self._result.ok == ok:
            _run(handler, self._result)
        return self

    def _finish(self, result: Result) -> bool:
        """True if a handler took the result."""
        self._result = result
        handlers = self._done if result.ok else self._failed
        for handler in handlers:
            _run(handler, result)
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


class File:
    """A file that the user chose or dropped: `name`, `size` in bytes, `type` (of media).

    Its content stays in the browser until an action is called with it.
    """

    def __init__(self, said: dict[str, Any]) -> None:
        self._number: int = said["file"]
        self.name: str = said["name"]
        self.size: int = said["size"]
        self.type: str = said["type"]

    def __repr__(self) -> str:
        return f"<File {self.name!r}>"


class Event:
    """An event: its `type`, its `key` (of the keyboard), and the target's `value` and `files`."""

    def __init__(self, said: dict[str, Any]) -> None:
        self._number: int = said["event"]
        self.type: str = said["type"]
        self.key: str | None = said["key"]
        self.value: str | None = said["value"]
        self.files: list[File] = [File(file) for file in said["files"]]
        self.target: Element = Element(said["target"])

    def prevent_default(self) -> None:
        """Keep the browser from its default action, such as sending a form."""
        _call("prevent_default", event=self._number)

    def stop_propagation(self) -> None:
        """Do not report the event to outer elements."""
        _call("stop_propagation", event=self._number)

    def __repr__(self) -> str:
        return f"<Event {self.type}>"


class Element:
    """A handle of an element of the page; two handles of the same element are equal.

    It does not keep the element alive: once that has left the page for good, LookupError.
    """

    def __init__(self, number: int) -> None:
        self._number = number

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Element) and self._number == other._number

    def __hash__(self) -> int:
        return self._number

    def __repr__(self) -> str:
        return f"<Element {self.tag}>"

    @property
    def tag(self) -> str:
        """The name of its kind, such as `button`."""
        return str(self._get("tag"))

    @property
    def text(self) -> str:
        """Its text, never HTML. Setting it replaces the content."""
        return str(self._get("text"))

    @text.setter
    def text(self, text: object) -> None:
        self._set("text", str(text))

    @property
    def value(self) -> str:
        """The value of a form's field."""
        return str(self._get("value"))

    @value.setter
    def value(self, value: object) -> None:
        self._set("value", str(value))

    @property
    def checked(self) -> bool:
        """True if a checkbox or a radio button is checked."""
        return bool(self._get("checked"))

    @checked.setter
    def checked(self, checked: object) -> None:
        self._set("checked", bool(checked))

    @property
    def attributes(self) -> Attributes:
        """Its attributes, as a dict of texts."""
        return Attributes(self, "")

    @property
    def dataset(self) -> Attributes:
        """Its data- attributes: `dataset["job_id"]` is `data-job-id`."""
        return Attributes(self, "data-")

    @property
    def classes(self) -> Classes:
        """Its classes, as a set."""
        return Classes(self)

    def query(self, selector: str) -> Element | None:
        """The first element inside that matches, or None."""
        return _element(self._ask("query", selector=selector))

    def query_all(self, selector: str) -> list[Element]:
        """All elements inside that match, in the order of the page."""
        return [Element(number) for number in self._ask("query_all", selector=selector)]

    def closest(self, selector: str) -> Element | None:
        """Itself, or the innermost element around it that matches, or None."""
        return _element(self._ask("closest", selector=selector))

    def focus(self) -> None:
        """Give it the keyboard focus."""
        self._ask("focus")

    def remove(self) -> None:
        """Remove it from the page."""
        self._ask("remove")

    def _get(self, name: str) -> Any:
        return self._ask("get", name=name)

    def _set(self, name: str, value: Any) -> None:
        self._ask("set", name=name, value=value)

    def _ask(self, verb: str, **fields: Any) -> Any:
        return _call(verb, element=self._number, **fields)


class Attributes:
    """The attributes of an element. What could run code (on…, style, javascript:) is refused."""

    def __init__(self, element: Element, prefix: str) -> None:
        self._element = element
        self._prefix = prefix

    def __getitem__(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __setitem__(self, name: str, value: object) -> None:
        text = value if value is None or isinstance(value, bool) else str(value)
        self._element._ask("set_attribute", name=self._full(name), value=text)

    def __delitem__(self, name: str) -> None:
        self[name] = None

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def __iter__(self) -> Iterator[str]:
        start = len(self._prefix)
        names = self._element._ask("attributes")
        return iter([name[start:] for name in names if name.startswith(self._prefix)])

    def get(self, name: str, default: str | None = None) -> str | None:
        """The attribute's text, or `default`."""
        value = self._element._ask("attribute", name=self._full(name))
        return default if value is None else str(value)

    def _full(self, name: str) -> str:
        return self._prefix + name.replace("_", "-") if self._prefix else name


class Classes:
    """The classes of an element."""

    def __init__(self, element: Element) -> None:
        self._element = element

    def __contains__(self, name: object) -> bool:
        return name in list(self)

    def __iter__(self) -> Iterator[str]:
        return iter(self._element._ask("classes"))

    def add(self, *names: str) -> None:
        for name in names:
            self.toggle(name, True)

    def remove(self, *names: str) -> None:
        for name in names:
            self.toggle(name, False)

    def toggle(self, name: str, on: bool | None = None) -> bool:
        """Add the class if `on` is true, remove it if false, change it if None. True if it is there
        now."""
        return bool(self._element._ask("toggle_class", name=name, on=on))


# The connection to the page: one function out, one function in, JSON text both ways.

_page: dict[str, Handler] = {}
_modules: dict[int, Module] = {}
_callbacks: dict[int, tuple[int, Handler]] = {}
_last_callback = 0


def connect(
    call: Callable[[str], str],
    loads: Callable[[str], Any],
    dumps: Callable[[Any], str],
    spawn: Callable[[Any], Any],
) -> Callable[[str], str]:
    """Return the function that the page sends texts to. The bridge of a browser's Python calls it.

    `call` takes a text to the page and brings one back, at once. `spawn` runs a coroutine.
    """
    _page.update(call=call, loads=loads, dumps=dumps, spawn=spawn)

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
        _page["spawn"](_started(kind, result))
    return True


async def _started(kind: str, coroutine: Any) -> None:
    try:
        await coroutine
    except Exception as error:
        _call("start_failed", name=kind, trace=f"{type(error).__name__}: {error}")
        raise  # to the console, with its traceback


def _stop(module: int) -> None:
    for callback, (owner, _) in list(_callbacks.items()):
        if owner == module:
            del _callbacks[callback]
    if module in _modules:
        _run(_modules.pop(module).on_stop)


def _method(module: int, name: str, event: dict[str, Any]) -> None:
    if module in _modules:
        happened = Event(event)
        _run(getattr(_modules[module], name), happened, happened.target)


def _callback(callback: int, kind: str, value: Any = None, once: bool = False) -> Any:
    """True if there was such a callback, and what it was for was done."""
    if callback not in _callbacks:
        return True
    _, handler = _callbacks.pop(callback) if once else _callbacks[callback]
    if kind == "event":
        happened = Event(value)
        return _run(handler, happened, happened.target)
    if kind == "timer":
        return _run(handler)
    return _run(handler, Result(value) if kind == "result" else value)


_RECEIVERS: dict[str, Handler] = {
    "load": _load,
    "start": _start,
    "stop": _stop,
    "method": _method,
    "callback": _callback,
}


def _call(verb: str, **fields: Any) -> Any:
    _require_page(verb)
    answer = _page["loads"](_page["call"](_page["dumps"]({"do": verb, **fields})))
    if "error" in answer:
        kind = LookupError if answer["gone"] else ValueError
        raise kind(answer["error"])
    return answer["value"]


def _require_page(verb: str) -> None:
    if not _page:
        raise RuntimeError(f"a Module runs in the browser: there is no page here for {verb}()")


def _keep(owner: Module, handler: Handler) -> int:
    """The number under which the page may call this handler while its module runs."""
    global _last_callback  # noqa: PLW0603 - a counter; browsers have no itertools
    _last_callback += 1
    _callbacks[_last_callback] = (owner._number, _callable(handler))
    return _last_callback


def _callable(handler: Handler) -> Handler:
    if not callable(handler):
        raise TypeError(f"expected a function as the handler, got {handler!r}")
    return handler


def _run(handler: Handler, *offered: Any) -> bool | None:
    """What a handler returns, or None. A coroutine goes on by itself."""
    result = handler(*offered[: _taken(handler, len(offered))])
    if type(result).__name__ == "coroutine":
        _page["spawn"](result)
    return result if isinstance(result, bool) else None


def _taken(handler: Handler, offered: int) -> int:
    """How many of the offered arguments the handler has parameters for."""
    code = getattr(getattr(handler, "__func__", handler), "__code__", None)
    if code is None or code.co_flags & 4:  # not Python's own, or with *args
        return offered
    bound = 1 if hasattr(handler, "__self__") else 0
    return min(offered, int(code.co_argcount) - bound)


def _element(number: int | None) -> Element | None:
    return None if number is None else Element(number)


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
