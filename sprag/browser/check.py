"""The check of a page's module file at start-up: refuses what a browser cannot run, by line.

Pure: it reads the file and runs nothing of it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from . import python as _in_browser
from .called import ActionCall, actions_called
from .markup import check_markup

__all__ = ["ModuleFile", "ModuleRefused", "check", "check_markup"]

_MODULES = {
    "sprag": frozenset(_in_browser.__all__),
    "__future__": frozenset(["annotations"]),
    "typing": frozenset(["TYPE_CHECKING", "Any", "cast"]),
    "browser": None,
    "browser.aio": None,
    "browser.html": None,
    "javascript": None,
}
"""What can be imported in a browser: Brython's core and what we add. None: whatever it has."""

_TAKEN = frozenset(_MODULES) | {"builtins", "_importlib", "_suggestions", "_sys", "_warnings"}
"""Names that a page's file cannot have: Brython would find its own."""

_BROWSER_NAMES = frozenset((
    "DOMEvent", "DOMNode", "aio", "alert", "bind", "confirm", "console", "document", "html",
    "prompt", "self", "window",
))  # fmt: skip
_UNUSABLE = {
    "__file__": "a page has no files",
    "__import__": "write an import statement",
    "breakpoint": "use the browser's debugger",
    "compile": "pages do not run code that is data",
    "eval": "pages do not run code that is data",
    "exec": "pages do not run code that is data",
    "input": "read the value of a field in the page",
    "open": "a page has no files; those that the user chooses come with an event",
}
_VERBS = frozenset(name for name in dir(_in_browser.Module) if not name.startswith("__"))


@dataclass(frozen=True)
class ModuleFile:
    """A page's module file that can be run: what it is called, and what it holds.

    `classes` has the methods that markup may call for each class of a module; None if they are
    not known, as in JavaScript. `calls` has the actions that Python code calls by name.
    """

    path: Path
    name: str
    language: str
    classes: Mapping[str, frozenset[str] | None]
    calls: tuple[ActionCall, ...] = ()


class ModuleRefused(ValueError):
    """A page's module file that cannot work in a browser; its text begins with `file:line: `."""

    def __init__(self, path: Path, line: int, message: str) -> None:
        super().__init__(f"{path}:{line}: {message}")
        self.path = path
        self.line = line
        self.message = message


def check(path: Path) -> ModuleFile:
    """What the module file holds, `.py` or `.js`; ModuleRefused says why and where it cannot run.

    A file that is not there is an OSError.
    """
    try:
        source = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise ModuleRefused(path, 1, f"expected UTF-8, {error.reason}") from error
    if path.suffix == ".py":
        return _check_python(path, source)
    if path.suffix == ".js":
        return ModuleFile(path, path.stem, "javascript", _check_javascript(path, source))
    raise ModuleRefused(path, 1, "expected a .py or .js file as the module")


# JavaScript

_EXPORTED = re.compile(
    r"^\s*export\s+(?:default\s+)?class\s+(\w+)\s+extends\s+Module\b", re.MULTILINE
)


def _check_javascript(path: Path, source: str) -> Mapping[str, None]:
    classes = dict.fromkeys(_EXPORTED.findall(source))
    if not classes:
        raise ModuleRefused(path, 1, "no class to start: expected export class … extends Module")
    return classes


# Python


def _check_python(path: Path, source: str) -> ModuleFile:
    if not path.stem.isidentifier() or path.stem in _TAKEN:
        raise ModuleRefused(path, 1, f"{path.stem!r} cannot be the name of a page's Python module")
    try:
        tree = ast.parse(source, filename=str(path))
    except SyntaxError as error:
        raise ModuleRefused(path, error.lineno or 1, f"SyntaxError: {error.msg}") from error
    except ValueError as error:  # a null byte, before Python 3.12
        raise ModuleRefused(path, 1, f"SyntaxError: {error}") from error
    bound = _bound_names(tree)
    for node in _run_in_browser(tree):
        problem = _problem(node, bound)
        if problem:
            raise ModuleRefused(path, getattr(node, "lineno", 1), problem)
    classes = {}
    calls: list[ActionCall] = []
    for kind, methods in _module_classes(tree):
        taken = sorted((_own_methods(kind) & _VERBS) - {"on_start", "on_stop"})
        if taken:
            problem = f"{kind.name} defines {taken[0]}, which is a method of Module: rename it"
            raise ModuleRefused(path, kind.lineno, problem)
        calls += actions_called(kind)
        if not kind.name.startswith("_"):
            classes[kind.name] = methods
    if not classes:
        raise ModuleRefused(
            path, 1, "no class to start: expected a subclass of Module, from sprag import Module"
        )
    return ModuleFile(path, path.stem, "python", classes, tuple(calls))


def _run_in_browser(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those under `if TYPE_CHECKING`, in the order of the file."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and _dotted(child.test).endswith("TYPE_CHECKING"):
            for other in child.orelse:
                yield other
                yield from _run_in_browser(other)
        else:
            yield child
            yield from _run_in_browser(child)


def _problem(node: ast.AST, bound: set[str]) -> str | None:
    if isinstance(node, ast.Import):
        return next(filter(None, (_import_problem(alias.name) for alias in node.names)), None)
    if isinstance(node, ast.ImportFrom):
        return _import_from_problem(node)
    if isinstance(node, ast.Name) and node.id in _UNUSABLE and node.id not in bound:
        return f"{node.id} does not work in a browser: {_UNUSABLE[node.id]}"
    return None


def _import_problem(name: str) -> str | None:
    if name in _MODULES:
        return None
    offered = ", ".join(sorted(_MODULES.keys() - {"__future__"}))
    return f"import of {name}: Python in the browser has only {offered}"


def _import_from_problem(node: ast.ImportFrom) -> str | None:
    if node.level:
        return "relative import: a page's module file cannot import other files of yours"
    module = node.module or ""
    problem = _import_problem(module)
    if problem:
        return problem
    offered = _BROWSER_NAMES if module == "browser" else _MODULES[module]
    for alias in node.names:
        if offered is not None and alias.name not in offered and alias.name != "*":
            names = ", ".join(sorted(offered))
            return f"import of {alias.name} from {module}: in the browser, it has only {names}"
    return None


def _bound_names(tree: ast.AST) -> set[str]:
    """Every name that the file defines somewhere."""
    bound: set[str] = set()
    methods: list[ast.stmt] = []  # a method called open does not hide the builtin
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            bound.add(node.id)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.alias):
            bound.add(node.asname or node.name)
        elif isinstance(node, ast.ClassDef):
            methods.extend(node.body)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node not in methods:
            bound.add(node.name)
    return bound


def _module_classes(tree: ast.Module) -> Iterator[tuple[ast.ClassDef, frozenset[str]]]:
    """Classes of the file's top level that derive from Module, with all their methods."""
    known: dict[str, frozenset[str]] = dict.fromkeys(_names_of_module(tree), frozenset())
    for node in tree.body:
        if not isinstance(node, ast.ClassDef):
            continue
        parents = [known[name] for base in node.bases if (name := _dotted(base)) in known]
        if parents:
            known[node.name] = _own_methods(node).union(*parents) - _VERBS - {"__init__"}
            yield node, known[node.name]


def _own_methods(kind: ast.ClassDef) -> frozenset[str]:
    return frozenset(
        part.name for part in kind.body if isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef))
    )


def _names_of_module(tree: ast.Module) -> set[str]:
    names = set()
    for node in _run_in_browser(tree):
        if isinstance(node, ast.Import):
            imported = [alias for alias in node.names if alias.name == "sprag"]
            names |= {f"{alias.asname or alias.name}.Module" for alias in imported}
        elif isinstance(node, ast.ImportFrom) and node.module == "sprag":
            imported = [alias for alias in node.names if alias.name in ("Module", "*")]
            names |= {alias.asname or "Module" for alias in imported}
    return names


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""
