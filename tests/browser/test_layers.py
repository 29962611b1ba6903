"""The package stands on the standard library alone, and `module.py` on nothing at all."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from sprag.browser import module

PACKAGE = Path(module.__file__).parent
ORDER = ("module", "markup", "called", "check", "files", "__init__")


def imports(name: str) -> list[tuple[str, int]]:
    """(what, how many packages up) of every import, wherever it stands."""
    found = []
    for node in ast.walk(ast.parse((PACKAGE / f"{name}.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(alias.name, 0) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append((node.module, node.level))
        elif isinstance(node, ast.ImportFrom):
            found += [(alias.name, node.level) for alias in node.names]
    return found


def test_the_order_names_every_module_once() -> None:
    assert sorted(ORDER) == sorted(path.stem for path in PACKAGE.glob("*.py"))


@pytest.mark.parametrize("name", ORDER)
def test_a_module_imports_only_those_above_it(name: str) -> None:
    for imported, level in imports(name):
        if level == 2:
            assert imported == "http.files"
        elif level:
            assert level == 1
            assert imported in ORDER[: ORDER.index(name)]
        else:
            assert imported.partition(".")[0] in sys.stdlib_module_names


def test_what_runs_in_the_browser_imports_types_only() -> None:
    allowed = {"__future__", "collections.abc", "typing"}
    assert {imported for imported, _ in imports("module")} <= allowed
