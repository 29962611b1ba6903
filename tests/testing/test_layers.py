"""What is for tests stands beside the queue, and nothing of the queue knows it."""

from __future__ import annotations

import ast
from pathlib import Path

import sprag

PACKAGE = Path(sprag.__file__).parent


def imported(folder: Path) -> set[str]:
    """The modules of sprag that the modules of a folder import, by their full names."""
    names = set()
    for file in folder.rglob("*.py"):
        home = ("sprag", *file.relative_to(PACKAGE).parent.parts)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                above = home[: len(home) + 1 - node.level] if node.level else ()
                names.add(".".join(filter(None, (*above, node.module))))
            elif isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
    return {name for name in names if name.partition(".")[0] == "sprag"}


def test_of_the_queue_it_imports_the_public_names_and_one_module() -> None:
    outside = {name for name in imported(PACKAGE / "testing") if "testing" not in name}
    assert outside == {"sprag.queue", "sprag.queue.byhand"}


def test_no_tier_imports_it() -> None:
    for tier in ("queue", "http", "browser", "dashboard", "web", "cli"):
        assert not {name for name in imported(PACKAGE / tier) if name.startswith("sprag.testing")}
