"""Finding the controllers of an application, and what they have beside them."""

from __future__ import annotations

import ast
import difflib
import importlib
import inspect
import pkgutil
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from ..browser import ModuleFile, ModuleRefused, check
from .actions import Action, actions_of
from .controller import Controller
from .errors import StartupError

MODULE_ENDING: Final = "_module"


@dataclass(frozen=True, slots=True)
class Found:
    """A controller: its class, its actions, its template relative to the routes package, and the
    file that runs in the browser."""

    kind: type[Controller]
    actions: tuple[Action, ...]
    template: str | None
    module: ModuleFile | None

    @property
    def name(self) -> str:
        return f"{self.kind.__module__}.{self.kind.__qualname__}"


@dataclass(frozen=True, slots=True)
class Routes:
    """Everything in the routes package. `folder` is where it lies."""

    folder: Path
    controllers: tuple[Found, ...]


def discover(package: str) -> Routes:
    """All controllers in the package `package` and those in it; StartupError for what cannot
    work. Modules whose names end with _module are for the browser and not imported."""
    top = _import(package)
    if not hasattr(top, "__path__"):
        raise StartupError(
            f"App: routes: expected a package, a folder with controllers, got the module {package}"
        )
    folder = Path(next(iter(top.__path__)))
    inside = pkgutil.walk_packages(top.__path__, f"{package}.", onerror=_reraise)
    names = [info.name for info in inside if not info.name.endswith(MODULE_ENDING)]
    modules = [top, *map(_import, names)]
    controllers = []
    for module in modules:
        kinds = _controllers_in(module)
        pages = [kind for kind in kinds if kind.route is not None]
        controllers += [_found(kind, module, folder, alone=len(pages) == 1) for kind in kinds]
    if not controllers:
        raise StartupError(f"App: routes: there is no Controller in the package {package}")
    _refuse_doubles(controllers)
    return Routes(folder, tuple(controllers))


def actions_by_name(controllers: Sequence[Found]) -> Mapping[str, tuple[Found, Action]]:
    """Every action, once. Raises StartupError if two have one name."""
    found: dict[str, tuple[Found, Action]] = {}
    for controller in controllers:
        for action in controller.actions:
            first = found.setdefault(action.name, (controller, action))
            if first[1] is not action or first[0] is not controller:
                raise StartupError(
                    f"two actions have the name {action.name!r}: {first[0].name}."
                    f"{first[1].method} and {controller.name}.{action.method}; pages call actions "
                    "by name, so each needs a name of its own"
                )
    return found


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if name == missing or name.startswith(f"{missing}."):
            raise StartupError(
                f"App: routes: there is no package {name!r}: expected the import path of a "
                "package that Python can import from here, such as app.routes"
            ) from error
        raise


def _reraise(name: str) -> None:
    importlib.import_module(name)


def _controllers_in(module: ModuleType) -> list[type[Controller]]:
    """Those that the module defines. One that has neither a route nor actions is a base."""
    return [
        value
        for value in vars(module).values()
        if inspect.isclass(value)
        and issubclass(value, Controller)
        and value.__module__ == module.__name__
        and not value.__name__.startswith("_")
        and (value.route is not None or actions_of(value))
    ]


def _found(kind: type[Controller], module: ModuleType, folder: Path, *, alone: bool) -> Found:
    who = f"{kind.__module__}.{kind.__qualname__}"
    actions = tuple(actions_of(kind))
    for action in actions:
        if hasattr(Controller, action.method):
            raise StartupError(
                f"{who}.{action.method}: an action cannot have the name of a method or attribute "
                f"of Controller; rename the method, and write @action(name={action.name!r})"
            )
    if kind.route is None:
        return Found(kind, actions, None, None)
    if not str(kind.route).startswith("/"):
        raise StartupError(f"{who}.route: expected a path such as /images, got {kind.route!r}")
    if kind.route == "/_sprag" or kind.route.startswith("/_sprag/"):
        raise StartupError(f"{who}.route: /_sprag is reserved for sprag, got {kind.route!r}")
    here = Path(str(module.__file__))
    beside = here.with_suffix(".html")
    template = kind.template
    if template is not None:
        if not (folder / template).is_file():
            like = _like(folder / template)
            asked = f"; did you mean {like}?" if like else ""
            raise StartupError(f"{who}.template: there is no file {folder / template}{asked}")
    elif alone and beside.is_file():
        template = beside.relative_to(folder).as_posix()
    elif kind.load is Controller.load or _gives_data(kind):
        reason = (
            ""
            if alone
            else "; in a module with several pages, each one names its template in `template`"
        )
        if alone and (like := _like(beside)):
            reason = f"; did you mean {like}?"
        raise StartupError(f"{who} has a route but no template: expected {beside}{reason}")
    return Found(kind, actions, template, _module(kind, who, here, alone=alone))


def _gives_data(kind: type[Controller]) -> bool:
    """True if `load` is written such that it returns data in any case, never a response."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(kind.load)))
    except (OSError, TypeError, SyntaxError):
        return False  # made at run time
    method = tree.body[0]
    if not isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    if method.returns is not None and re.match(r"dict\b|['\"]dict\b", ast.unparse(method.returns)):
        return True
    given = [node.value for node in _own_nodes(method) if isinstance(node, ast.Return)]
    return bool(given) and all(isinstance(value, ast.Dict | ast.DictComp) for value in given)


def _own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes of a function, but those of functions inside it."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield child
            yield from _own_nodes(child)


def _like(missing: Path) -> Path | None:
    """An existing file in the same folder whose name is much like that of the missing one."""
    if not missing.parent.is_dir():
        return None
    there = [file.name for file in missing.parent.iterdir() if file.suffix == missing.suffix]
    close = difflib.get_close_matches(missing.name, there, 1)
    return missing.with_name(close[0]) if close else None


def _module(kind: type[Controller], who: str, here: Path, *, alone: bool) -> ModuleFile | None:
    if kind.module is not None:
        files = [here.parent / kind.module]
        if not files[0].is_file():
            like = _like(files[0])
            asked = f"; did you mean {like}?" if like else ""
            raise StartupError(f"{who}.module: there is no file {files[0]}{asked}")
    elif alone:
        files = [
            file
            for ending in (".py", ".js")
            if (file := here.with_name(f"{here.stem}{MODULE_ENDING}{ending}")).is_file()
        ]
    else:
        files = []
    if len(files) > 1:
        raise StartupError(f"{who}: expected one module file, found {files[0]} and {files[1]}")
    try:
        return check(files[0]) if files else None
    except ModuleRefused as error:
        raise StartupError(str(error)) from error


def _refuse_doubles(controllers: Sequence[Found]) -> None:
    routes: dict[str, Found] = {}
    for found in controllers:
        if found.kind.route is not None:
            first = routes.setdefault(found.kind.route, found)
            if first is not found:
                raise StartupError(
                    f"two controllers have the route {found.kind.route!r}: {first.name} and "
                    f"{found.name}"
                )


def check_load(kind: type[Controller], parameters: Sequence[str]) -> None:
    """Raise StartupError unless `load` takes the parameters of the route."""
    signature = inspect.signature(kind.load)
    arguments: dict[str, Any] = dict.fromkeys(parameters)
    try:
        signature.bind(None, **arguments)
    except TypeError as error:
        raise StartupError(
            f"{kind.__module__}.{kind.__qualname__}.load{signature}: the route {kind.route!r} "
            f"passes {', '.join(parameters) or 'no arguments'} ({error})"
        ) from None
