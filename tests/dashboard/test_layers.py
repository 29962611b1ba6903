"""Each module of the dashboard imports only those above it, and of sprag only the
queue and the room `http`."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from sprag.dashboard import app

ORDER = (
    "attempts", "filters", "verbs", "standing", "shapes", "pace",
    "files", "answers", "bodies", "schedules", "overview", "pages", "access", "signing", "facts",
    "moves", "pruning", "pausing", "streams", "app", "__init__",
)  # fmt: skip

PACKAGE = Path(app.__file__).parent
TREES = {file.stem: ast.parse(file.read_text(encoding="utf-8")) for file in PACKAGE.glob("*.py")}


def test_the_order_names_every_module_once() -> None:
    assert sorted(ORDER) == sorted(TREES)


@pytest.mark.parametrize("module", ORDER)
def test_a_module_imports_only_those_above_it_the_queue_and_http(module: str) -> None:
    above = ORDER[: ORDER.index(module)]
    for node in ast.walk(TREES[module]):
        if not isinstance(node, ast.ImportFrom) or node.level == 0:
            continue
        if node.level == 2:
            assert str(node.module).partition(".")[0] in ("queue", "http"), ast.unparse(node)
        elif node.module is None:
            assert {alias.name for alias in node.names} <= set(above)
        else:
            assert node.module in above


def test_the_dashboard_knows_no_sql() -> None:
    for tree in TREES.values():
        names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        assert names.isdisjoint({"execute", "executemany", "database"})
