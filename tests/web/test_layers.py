"""Each module of the web tier imports only those above it, and nothing above imports it."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

import sprag
from sprag import queue, web
from sprag.browser import python as browser_module
from sprag.web import app
from tests.support import said

ORDER = (
    "errors", "uploads", "schema", "actions", "answers", "secret", "session", "visitor", "guards",
    "hosts", "trouble", "options", "controller", "discovery", "mentions", "templates", "assets",
    "news", "hub", "pages", "transports", "deferred", "payloads", "calls", "keys", "live", "life",
    "lifespan", "assembly", "app", "__init__",
)  # fmt: skip

BELOW = {"queue", "http", "browser", "dashboard"}

PACKAGE = Path(app.__file__).parent
TREES = {file.stem: ast.parse(file.read_text(encoding="utf-8")) for file in PACKAGE.glob("*.py")}


def imports(module: str) -> list[tuple[str, int]]:
    """(what, how many packages up) of every import that is run."""
    tree = TREES[module]
    for_types = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found = []
    for node in ast.walk(tree):
        if node in for_types:
            continue
        if isinstance(node, ast.Import):
            found += [(alias.name, 0) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found.append((node.module, node.level))
        elif isinstance(node, ast.ImportFrom):
            found += [(alias.name, node.level) for alias in node.names]
    return found


def test_the_order_names_every_module_once() -> None:
    assert sorted(ORDER) == sorted(TREES)


@pytest.mark.parametrize("module", ORDER)
def test_a_module_imports_only_those_above_it_and_the_packages_below(module: str) -> None:
    above = ORDER[: ORDER.index(module)]
    for name, level in imports(module):
        if level == 1:
            assert name in above
        elif level == 2:
            assert name.partition(".")[0] in BELOW
        else:
            assert level == 0
            assert name.partition(".")[0] != "sprag"


@pytest.mark.parametrize("package", sorted(BELOW))
def test_what_the_web_tier_stands_on_knows_nothing_of_it(package: str) -> None:
    for file in (PACKAGE.parent / package).glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level == 2:
                assert str(node.module).partition(".")[0] not in ("web", "cli"), file


def loaded_by(name: str) -> list[str]:
    program = Path(__file__).parents[1] / "queue" / "programs" / "loaded.py"
    loaded: list[str] = json.loads(said(program, name).splitlines()[0])
    return loaded


def test_the_queue_loads_nothing_of_the_web() -> None:
    loaded = loaded_by("sprag.queue")
    ours = {name.split(".")[1] for name in loaded if name.startswith("sprag.")}
    assert ours == {"queue"}
    assert {"starlette", "pydantic", "jinja2", "anyio", "uvicorn"}.isdisjoint(loaded)


def test_the_web_tier_loads_no_terminal_program() -> None:
    loaded = loaded_by("sprag.web")
    assert not [name for name in loaded if name.startswith(("sprag.cli", "rich"))]


@pytest.mark.parametrize("name", [name for name in sprag.__all__ if name != "__version__"])
def test_a_lazy_name_is_that_of_the_package_it_comes_from(name: str) -> None:
    value = getattr(sprag, name)
    home = next(home for home in (queue, web, browser_module) if name in home.__all__)
    assert value is getattr(home, name)


def test_a_lazy_name_says_which_extra_it_needs() -> None:
    assert said(Path(__file__).with_name("programs") / "without_starlette.py") == (
        "sprag.App needs starlette, which is not installed: pip install 'sprag-queue[web]'"
    )
