"""Names in an application's code that mean nothing: providers and actions that do not exist.

Pure: it reads the source of controllers and of page modules, and runs nothing of it.
"""

from __future__ import annotations

import ast
import difflib
import inspect
import sys
import textwrap
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .controller import Controller
from .discovery import Found
from .errors import StartupError

# Their first argument is the name of a provider.
_VERBS: Final = ("enqueue", "job_status", "request_job_cancel", "jobs", "queue")


@dataclass(frozen=True, slots=True)
class Mention:
    """A provider's name in a controller's code, and where it stands."""

    name: str
    place: str
    verb: str


def check_providers(controllers: Sequence[Found], providers: Collection[str]) -> None:
    """Raise StartupError if a controller's code names a provider that does not exist."""
    unknown: dict[str, Mention] = {}
    for found in controllers:
        for mention in _mentions(found.kind):
            if mention.name not in providers:
                unknown.setdefault(mention.place, mention)
    if unknown:
        known = ", ".join(map(repr, providers)) or "none"
        raise StartupError(
            "\n".join(
                f"{mention.place}: self.{mention.verb}({mention.name!r}, …): there is no provider "
                f"{mention.name!r}; App(providers=) has {known}{meant(mention.name, providers)}"
                for mention in unknown.values()
            )
        )


def check_actions(controllers: Sequence[Found], actions: Collection[str]) -> None:
    """Raise StartupError if the Python module of a page calls an action that does not exist."""
    unknown: dict[str, str] = {}
    for module in (found.module for found in controllers if found.module is not None):
        for name, line in module.calls:
            if name not in actions:
                known = ", ".join(map(repr, sorted(actions))) or "none"
                unknown[f"{module.path}:{line}"] = (
                    f"self.call_action({name!r}, …): there is no action {name!r}; the controllers "
                    f"have {known}{meant(name, actions)}"
                )
    if unknown:
        raise StartupError("\n".join(f"{place}: {said}" for place, said in unknown.items()))


def meant(name: str, known: Collection[str]) -> str:
    """Ask "did you mean …?" if one of the names is much like this one; "" otherwise."""
    close = difflib.get_close_matches(name, known, 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _mentions(kind: type[Controller]) -> Iterator[Mention]:
    """Every provider that a controller or its bases name, where the name is written out."""
    # A controller that has its own method of this name may take other arguments.
    verbs = {verb for verb in _VERBS if getattr(kind, verb) is getattr(Controller, verb)}
    for owner in kind.__mro__:
        if owner is Controller:
            break
        try:
            lines, first = inspect.getsourcelines(owner)
            tree = ast.parse(textwrap.dedent("".join(lines)))
        except (OSError, TypeError, SyntaxError):
            continue  # made at run time, or without its source
        file = inspect.getsourcefile(owner)
        local = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)} | {
            node.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                verb, name = _named(node, kind, owner, local)
                if name is not None and verb in verbs:
                    yield Mention(name, f"{file}:{first + node.lineno - 1}", verb)


def _named(
    call: ast.Call, kind: type, owner: type, local: Collection[str]
) -> tuple[str, str | None]:
    """The verb of a call, and the provider that it names; None if that is not known."""
    function = call.func
    if not isinstance(function, ast.Attribute):
        return "", None
    receiver = ast.unparse(function.value)
    if receiver != "self" and (receiver, function.attr) != ("self.app", "queue"):
        return "", None
    parameter = "name" if function.attr == "queue" else "queue"
    given = [word.value for word in call.keywords if word.arg == parameter]
    value = call.args[0] if call.args else given[0] if given else None
    if isinstance(value, ast.Name) and value.id in local:
        return function.attr, None
    return function.attr, _text(value, kind, owner)


def _text(value: ast.expr | None, kind: type, owner: type) -> str | None:
    """The text that an expression is: a literal, a name of the module, or an attribute of self."""
    found: Any = None
    if isinstance(value, ast.Constant):
        found = value.value
    elif isinstance(value, ast.Name):
        found = vars(sys.modules[owner.__module__]).get(value.id)
    elif isinstance(value, ast.Attribute) and ast.unparse(value.value) == "self":
        found = getattr(kind, value.attr, None)
    return found if isinstance(found, str) else None
