"""The tests of the queue, its durability and its terminal program need no package of pages."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent.parent
OF_PAGES = {
    "brython", "httpx", "jinja2", "PIL", "playwright", "pydantic", "starlette", "uvicorn",
    "websockets", "sprag.browser", "sprag.dashboard", "sprag.web", "tests.browser",
    "tests.chromium", "tests.client", "tests.dashboard", "tests.e2e", "tests.recipes", "tests.web",
}  # fmt: skip
SERVES = {"test_run.py"}
"""Left out where there is no extra `web`."""

FILES = [
    TESTS / "conftest.py",
    TESTS / "support.py",
    *(
        path
        for folder in ("queue", "durability", "cli", "fuzz")
        for path in sorted((TESTS / folder).rglob("*.py"))
        if path.name not in SERVES
    ),
]


def imported(path: Path) -> Iterator[str]:
    """Every module that a file names in an import, and those that hold it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            parts = name.split(".")
            yield from (".".join(parts[: n + 1]) for n in range(len(parts)))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(TESTS)))
def test_a_test_of_the_queue_imports_nothing_of_pages(path: Path) -> None:
    assert OF_PAGES.intersection(imported(path)) == set()
