"""What the tiers know of the queue: its public names, and one module for those who run queues."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import sprag
from sprag import queue
from sprag.queue import operators

PACKAGE = Path(sprag.__file__).parent
TIERS = ("http", "browser", "dashboard", "web", "cli")
TREES = {
    str(file.relative_to(PACKAGE)): ast.parse(file.read_text(encoding="utf-8"))
    for tier in TIERS
    for file in (PACKAGE / tier).rglob("*.py")
}


def taken(tree: ast.Module, home: str) -> set[str]:
    """The names that a module takes from `home`, a module of this package."""
    return {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level and node.module == home
        for alias in node.names
    }


@pytest.mark.parametrize("file", TREES)
def test_a_tier_imports_public_names_and_the_operators_alone(file: str) -> None:
    for node in ast.walk(TREES[file]):
        if isinstance(node, ast.ImportFrom) and node.level and node.module:
            room, _, inside = node.module.partition(".")
            assert room != "queue" or inside in ("", "operators"), ast.unparse(node)
    assert taken(TREES[file], "queue") <= set(queue.__all__)
    assert taken(TREES[file], "queue.operators") <= set(operators.__all__)


@pytest.mark.parametrize("file", TREES)
def test_no_tier_reaches_behind_an_open_file(file: str) -> None:
    reached = {node.attr for node in ast.walk(TREES[file]) if isinstance(node, ast.Attribute)}
    assert reached.isdisjoint({"engine", "journal", "observers"})


def test_the_operators_have_no_name_that_nobody_takes() -> None:
    used = {name for tree in TREES.values() for name in taken(tree, "queue.operators")}
    assert set(operators.__all__) == used
