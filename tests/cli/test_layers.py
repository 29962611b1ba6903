"""The terminal stands on what its dependencies offer, and nothing stands on the terminal."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from sprag import cli

PACKAGE = Path(cli.__file__).parent
TREES = {
    str(file.relative_to(PACKAGE)): ast.parse(file.read_text(encoding="utf-8"))
    for file in PACKAGE.rglob("*.py")
}


def names_from(tree: ast.Module, home: str) -> set[str]:
    """The names that a module has from a package, that of the package among them."""
    return {home} | {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).partition(".")[0] == home
        for alias in node.names
    }


@pytest.mark.parametrize("file", TREES)
def test_no_class_of_the_server_is_subclassed(file: str) -> None:
    theirs = names_from(TREES[file], "uvicorn")
    bases = {
        ast.unparse(base).partition(".")[0]
        for node in ast.walk(TREES[file])
        if isinstance(node, ast.ClassDef)
        for base in node.bases
    }
    assert bases.isdisjoint(theirs)


@pytest.mark.parametrize("file", [file for file in TREES if not file.startswith("commands")])
def test_only_the_program_imports_the_commands(file: str) -> None:
    imported = {
        str(node.module)
        for node in ast.walk(TREES[file])
        if isinstance(node, ast.ImportFrom) and node.level == 1
    }
    assert file == "program.py" or "commands" not in imported
