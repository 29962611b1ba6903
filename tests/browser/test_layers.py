"""The package stands on the standard library alone; what runs in a browser stands on nothing."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from sprag.browser import files

PACKAGE = Path(files.__file__).parent
ORDER = (
    "python.line", "python.handlers", "python.elements", "python.events", "python.results",
    "python.module", "python.receivers", "python.__init__",
    "markup", "called", "check", "files", "__init__",
)  # fmt: skip
IN_BROWSER = [name for name in ORDER if name.startswith("python.")]


def imports(name: str) -> list[tuple[str, int]]:
    """(what, how many packages up) of every import, wherever it stands."""
    found = []
    file = PACKAGE / f"{name.replace('.', '/')}.py"
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(alias.name, 0) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append((node.module, node.level))
        elif isinstance(node, ast.ImportFrom):
            found += [(alias.name, node.level) for alias in node.names]
    return found


def test_the_order_names_every_module_once() -> None:
    there = (path.relative_to(PACKAGE).with_suffix("") for path in PACKAGE.rglob("*.py"))
    assert sorted(ORDER) == sorted(".".join(path.parts) for path in there)


@pytest.mark.parametrize("name", ORDER)
def test_a_module_imports_only_those_above_it(name: str) -> None:
    room = "python." if name in IN_BROWSER else ""
    above = ORDER[: ORDER.index(name)]
    for imported, level in imports(name):
        if level == 2:
            assert imported == "http.files"
        elif level:
            assert level == 1
            assert room + imported in above or f"{imported}.__init__" in above
        else:
            assert imported.partition(".")[0] in sys.stdlib_module_names


@pytest.mark.parametrize("name", IN_BROWSER)
def test_what_runs_in_the_browser_imports_its_own_package_and_types_only(name: str) -> None:
    allowed = {"__future__", "collections.abc", "typing"}
    assert {imported for imported, level in imports(name) if level == 0} <= allowed
    assert {level for _, level in imports(name)} <= {0, 1}


def test_a_browser_gets_every_module_that_runs_there() -> None:
    _brython, _bridge, runtime = files.python_assets()
    sent = runtime.content.decode()
    for name in IN_BROWSER:
        module = name.replace("python", "sprag", 1).removesuffix(".__init__")
        assert f'"{module}": [".py"' in sent
