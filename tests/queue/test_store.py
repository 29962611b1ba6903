"""What the rest of the package may ask of the store, and on which way a job passes through it."""

from __future__ import annotations

import ast
import inspect
import re
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, get_type_hints

import pytest

import sprag
from sprag.queue import QueueService
from sprag.queue.file.database import Database
from sprag.queue.store.audit import Audit
from sprag.queue.store.jobs import Jobs
from sprag.queue.store.journal import Journal
from sprag.queue.store.ownership import Owners
from sprag.queue.store.pauses import Pauses
from sprag.queue.store.pruning import Pruning
from sprag.queue.store.schedules import Schedules
from sprag.queue.store.search import Search
from sprag.queue.store.statistics import Statistics
from sprag.queue.store.store import Store
from tests.conftest import MakeQueue
from tests.support import finished, wait_until
from tests.test_design import DESIGN, section

PACKAGE = Path(sprag.__file__).parent
PARTS: dict[str, type] = {
    "store": Store, "store.jobs": Jobs, "store.journal": Journal, "store.owners": Owners,
    "store.pauses": Pauses, "store.pruning": Pruning, "store.schedules": Schedules,
    "store.search": Search,
    "store.statistics": Statistics, "store.audit": Audit,
}  # fmt: skip
ROOMS = ("queue/store/", "queue/file/", "queue/sql/")
"""Where SQLite is known."""


def told() -> dict[str, set[str]]:
    """The operations of each part that docs/design.md names."""
    rows = re.findall(r"^\| `(store[\w.]*)` \| (.+) \|$", section("The store"), re.MULTILINE)
    return {part: set(re.findall(r"`(\w+)`", names)) for part, names in rows}


def outside() -> Iterator[tuple[str, ast.Module]]:
    """The modules of the package that know nothing of SQLite."""
    for file in sorted(PACKAGE.rglob("*.py")):
        name = file.relative_to(PACKAGE).as_posix()
        if not name.startswith(ROOMS):
            yield name, ast.parse(file.read_text(encoding="utf-8"))


def operations(part: type) -> dict[str, Callable[..., Any]]:
    """The public methods of a part of the store, and what its properties are read by."""
    found: dict[str, Callable[..., Any]] = {}
    for name, value in vars(part).items():
        function = value.fget if isinstance(value, property) else value
        if not name.startswith("_") and inspect.isfunction(function):
            found[name] = function
    return found


@pytest.mark.parametrize("name", PARTS)
def test_the_operations_of_the_store_are_those_that_the_design_names(name: str) -> None:
    assert operations(PARTS[name]).keys() == told()[name]


def test_the_design_names_every_part_of_the_store(database: Path) -> None:
    opened = Database(str(database))
    parts = {f"store.{name}" for name in vars(Store(opened)) if not name.startswith("_")}
    opened.close()
    assert told().keys() == parts | {"store"}


@pytest.mark.parametrize("name", PARTS)
def test_what_the_store_returns_has_nothing_of_sqlite(name: str) -> None:
    for operation, function in operations(PARTS[name]).items():
        returned = str(get_type_hints(function)["return"])
        assert not re.search(r"apsw|\bAny\b|\bRow\b", returned), f"{operation}: {returned}"


def test_nobody_else_imports_apsw() -> None:
    importing = {
        name
        for name, tree in outside()
        for node in ast.walk(tree)
        if (isinstance(node, ast.Import) and any(alias.name == "apsw" for alias in node.names))
        or (isinstance(node, ast.ImportFrom) and str(node.module).partition(".")[0] == "apsw")
    }
    assert importing == set()


def test_nobody_else_asks_the_file_for_more_than_the_design_names() -> None:
    asked = {
        node.attr
        for _, tree in outside()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Attribute)
        and node.value.attr in ("database", "_database")
    }
    assert asked == told()["store.database"]


# ---------------------------------------------------------------- the way of a job


def way(frame: FrameType | None) -> list[str]:
    """The modules of the queue that are on the stack, the outermost first."""
    passed: list[str] = []
    while frame is not None:
        name = str(frame.f_globals["__name__"])
        module = name.rpartition(".")[2]
        if name.startswith("sprag.queue.") and module != "rows" and passed[-1:] != [module]:
            passed.append(module)
        frame = frame.f_back
    return passed[::-1]


def drawn() -> list[str]:
    """The modules in the drawing at the head of docs/design.md, in order."""
    drawing = (
        DESIGN.partition("## The way of a job")[2].partition("```text\n")[2].partition("```")[0]
    )
    return [module for _, module in sorted(re.findall(r"(\d)\. (\w+)", drawing))]


def test_a_job_passes_the_modules_that_the_design_draws_and_none_of_them_twice(
    make_queue: MakeQueue,
) -> None:
    ways: dict[str, list[str]] = {}

    class Handled(QueueService):
        name = "handled"
        worker_count = 1

        def handle_item(self, item: int) -> int:
            ways.setdefault("the handler", way(sys._getframe()))
            return item

    def seen(frame: FrameType, event: str, _arg: object) -> None:
        # Each statement is run by a function of `rows`, which is passed its name. The keeper has
        # posted something itself when it leads for a worker.
        if event == "call" and frame.f_globals["__name__"] == "sprag.queue.store.rows":
            statement = frame.f_locals.get("name")
            if statement in ("enqueue", "claim", "finish") and "keeper" not in way(frame):
                ways.setdefault(statement, way(frame))

    def profiled(call: Callable[[], Any]) -> Any:
        sys.setprofile(seen)
        try:
            return call()
        finally:
            sys.setprofile(None)

    queue = make_queue(Handled)
    profiled(lambda: queue.enqueue(1))
    threading.setprofile(seen)
    try:
        queue.start()
    finally:
        threading.setprofile(None)

    def passed_all() -> bool:
        finished(queue, queue.enqueue(2))
        return ways.keys() == {"enqueue", "claim", "finish", "the handler"}

    wait_until(passed_all)
    order = drawn()
    assert len(order) <= 8
    for what, passed in ways.items():
        assert len(passed) == len(set(passed)), f"{what}: {passed}"
    assert {module for passed in ways.values() for module in passed} == set(order)
    assert ways["enqueue"] == [module for module in order if module in ways["enqueue"]]
