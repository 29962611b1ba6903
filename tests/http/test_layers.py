"""Each module imports only those above it, nothing else of sprag, and files need no framework."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from sprag.http import files

ORDER = ("addresses", "redirects", "headers", "bodies", "files", "sending", "__init__")

PACKAGE = Path(files.__file__).parent


def imports(name: str) -> list[ast.ImportFrom | ast.Import]:
    tree = ast.parse((PACKAGE / f"{name}.py").read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom | ast.Import)]


def test_the_order_names_every_module_once() -> None:
    assert sorted(ORDER) == sorted(path.stem for path in PACKAGE.glob("*.py"))


@pytest.mark.parametrize("name", ORDER)
def test_a_module_imports_only_those_above_it(name: str) -> None:
    for node in imports(name):
        if isinstance(node, ast.ImportFrom) and node.level:
            assert node.level == 1
            assert node.module in ORDER[: ORDER.index(name)]


@pytest.mark.parametrize("name", ["__init__", "files", "addresses"])
def test_what_the_browser_room_needs_is_the_standard_library_alone(name: str) -> None:
    for node in imports(name):
        named = node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
        assert str(named).partition(".")[0] in sys.stdlib_module_names
