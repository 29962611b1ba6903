"""The package stands on the standard library alone; what runs in a browser stands on nothing."""

from __future__ import annotations

import ast
import json
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


def names_of(source: str) -> list[str]:
    """What a module binds at its top level, apart from imports."""
    return [
        name
        for node in ast.parse(source).body
        for name in (
            [node.name]
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            else [ast.unparse(node.targets[0])]
            if isinstance(node, ast.Assign)
            else [ast.unparse(node.target)]
            if isinstance(node, ast.AnnAssign)
            else []
        )
    ]


def test_a_browser_gets_all_that_runs_there_as_one_module() -> None:
    assert {f"python.{part}" for part in files._PYTHON} == set(IN_BROWSER)
    runtime = files.python_assets()[2].content.decode()
    package = json.loads(runtime.partition("(")[2].rpartition(")")[0])
    served = package["sprag"][1]
    names = names_of(served)
    assert sorted(names) == sorted(set(names))
    for part in files._PYTHON:
        own = names_of((PACKAGE / "python" / f"{part}.py").read_text(encoding="utf-8"))
        assert set(own) - {"TYPE_CHECKING"} <= set(names)
    imported = [node for node in ast.walk(ast.parse(served)) if isinstance(node, ast.ImportFrom)]
    assert [node.module for node in imported] == ["__future__"]
    assert "TYPE_CHECKING" not in served
