"""The check of a template's data- attributes at start-up: each problem by file and line.

Pure: a template is read as it is written; what Jinja will insert is not known.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from html.parser import HTMLParser

_JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_HOLE = "\ue000"  # stands for what Jinja inserts, of which nothing is known
_PATH = re.compile(r"!?(\.|[\w-]+(\.[\w-]+)*)", re.ASCII)
_REFUSED = re.compile(r"on.*|srcdoc|style")
_ACTIVE = re.compile(r"script|style|base|link|meta|object|embed|animate\w*|set")
_NO_DASH = re.compile(r"data-on[_.:]?([a-z]+)")
EVENTS = frozenset((
    "abort", "animationcancel", "animationend", "animationiteration", "animationstart",
    "auxclick", "beforeinput", "beforetoggle", "blur", "cancel", "canplay", "canplaythrough",
    "change", "click", "close", "compositionend", "compositionstart", "compositionupdate",
    "contextmenu", "copy", "cuechange", "cut", "dblclick", "drag", "dragend", "dragenter",
    "dragleave", "dragover", "dragstart", "drop", "durationchange", "emptied", "ended", "error",
    "focus", "focusin", "focusout", "formdata", "fullscreenchange", "gotpointercapture",
    "input", "invalid", "keydown", "keypress", "keyup", "load", "loadeddata", "loadedmetadata",
    "loadstart", "lostpointercapture", "mousedown", "mouseenter", "mouseleave", "mousemove",
    "mouseout", "mouseover", "mouseup", "paste", "pause", "play", "playing", "pointercancel",
    "pointerdown", "pointerenter", "pointerleave", "pointermove", "pointerout", "pointerover",
    "pointerup", "progress", "ratechange", "reset", "resize", "scroll", "scrollend", "search",
    "securitypolicyviolation", "seeked", "seeking", "select", "selectionchange", "selectstart",
    "slotchange", "stalled", "submit", "suspend", "timeupdate", "toggle", "touchcancel",
    "touchend", "touchmove", "touchstart", "transitioncancel", "transitionend", "transitionrun",
    "transitionstart", "volumechange", "waiting", "wheel",
))  # fmt: skip
"""The events that browsers have by themselves."""
_VOID = frozenset((
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source",
    "track", "wbr",
))  # fmt: skip


def check_markup(
    html: str, template: str, classes: Mapping[str, frozenset[str] | None]
) -> list[str]:
    """The mistakes in a template's data- attributes, each as `template:line: …`.

    `classes` are those of all modules of the page, as ModuleFile has them. What Jinja inserts is
    not known, and taken to be right.
    """
    reader = _Markup(template, classes, _own_elements(html) & classes.keys())
    reader.feed(_without_jinja(html))
    reader.close()
    return reader.problems


def _without_jinja(html: str) -> str:
    return _JINJA.sub(lambda found: _HOLE + "\n" * found[0].count("\n"), html)


def _own_elements(html: str) -> set[str]:
    return set(re.findall(r"""\bdata-module\s*=\s*["']?([\w-]+)""", html))


class _Markup(HTMLParser):
    """Reads a template, and collects its problems."""

    def __init__(
        self, template: str, classes: Mapping[str, frozenset[str] | None], placed: set[str]
    ) -> None:
        super().__init__()
        self.problems: list[str] = []
        self._template = template
        self._classes = classes
        # Modules without an element of their own belong to the body.
        self._body = sorted(classes.keys() - placed) or sorted(classes)
        self._open: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._look_at(tag, attrs)
        if tag not in _VOID:
            module = dict(attrs).get("data-module")
            self._open.append((tag, module))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # The slash means nothing in HTML, and closes the element in SVG: it is empty either way.
        self._look_at(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag in [name for name, _ in self._open]:
            while self._open.pop()[0] != tag:
                pass

    def _look_at(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        around = [module for _, module in self._open if module]
        module = values.get("data-module") or (around[-1] if around else None)
        for name, value in attrs:
            text = value or ""
            problem = None if _HOLE in name + text else self._problem(tag, name, text, module)
            if problem:
                self.problems.append(f"{self._place(name)}: <{tag}> {name}={text!r} {problem}")

    def _problem(self, tag: str, name: str, text: str, module: str | None) -> str | None:
        if name == "data-module" and text not in self._classes:
            has = ", ".join(sorted(self._classes)) or "none"
            return f"names a module that the page does not have (it has {has})"
        if name.startswith("data-on-"):
            return _event_problem(name) or self._handler_problem(text, module)
        if name.startswith("data-attr-") and _REFUSED.fullmatch(name.removeprefix("data-attr-")):
            return "is refused: data may not choose the code or the style; see data-class-"
        if _ACTIVE.fullmatch(tag) and name.startswith(("data-text", "data-attr-")):
            return f"is refused on <{tag}>: data may not choose the code"
        if (event := _NO_DASH.fullmatch(name)) and event[1] in EVENTS:
            return f"does nothing: expected data-on-{event[1]}"
        if not self._classes:
            return None  # without a module these attributes are not ours
        if name == "data-each" and tag != "template":
            return "must be on a <template>, whose content is repeated"
        # The key is looked up in an item, so it has neither a "!" nor a "." at its beginning.
        if name == "data-key" and not re.fullmatch(r"[\w-]+(\.[\w-]+)*", text.strip()):
            return "must be the name in an item that tells it from the others, such as id"
        bound = ("data-text", "data-show", "data-each")
        is_path = name in bound or name.startswith(("data-attr-", "data-class-"))
        if is_path and not _PATH.fullmatch(text.strip()):
            return "must be names with dots between them, as in job.error.message"
        return None

    def _handler_problem(self, method: str, module: str | None) -> str | None:
        if module and module not in self._classes:
            return None  # which is reported as a problem of its own
        candidates = [module] if module else self._body
        if not candidates:
            return (
                "but the page has no module: expected a file with a class that extends Module "
                "beside its template, named with _module.py or _module.js at its end"
            )
        methods: set[str] = set()
        for candidate in candidates:
            known = self._classes[candidate]
            if known is None or method in known:
                return None
            methods |= known
        has = ", ".join(sorted(methods)) or "no methods of its own"
        like = difflib.get_close_matches(method, methods, 1)
        asked = f"; did you mean {like[0]!r}?" if like else ""
        return f"names a method that {' or '.join(candidates)} does not have (it has {has}){asked}"

    def _place(self, attribute: str) -> str:
        """The attribute's own line: a tag may be long."""
        line, _ = self.getpos()
        tag = self.get_starttag_text() or ""
        before = tag.lower().partition(attribute)[0]
        return f"{self._template}:{line + before.count(chr(10))}"


def _event_problem(name: str) -> str | None:
    """Why an event never happens: its name is much like that of a browser's event. Any other name
    may be an event of the page's own."""
    event = name.removeprefix("data-on-")
    if event in EVENTS:
        return None
    like = difflib.get_close_matches(event, EVENTS, 1, 0.75)
    return f"never happens: did you mean data-on-{like[0]}?" if like else None
