"""Each module imports only those above it, and SQL stays where it belongs."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

import sprag
from sprag import queue
from tests.support import said

PROGRAMS = Path(__file__).with_name("programs")

ROOMS = (
    ("", "errors"),
    ("threads", "inside wakeup starting logs elsewhere interrupts"),
    ("", "states durations backoff ids slots cron"),
    ("payload", "classes times decoding encoding codec"),
    ("", "checks verdicts job schedules"),
    ("signature", "annotations models containers forms arguments"),
    ("sql", "statements"),
    ("file", "mounts disk beside place presence meaning readers checkpoints inherited identity "
             "usage connections database reserve"),
    ("store", "glances commit tickets rows records jobs journal search statistics audit moves "
              "pruning ownership pauses schedules aside dealing batch store backup"),
    ("liveness", "owners processes recovery"),
    ("watch", "subscription observer"),
    ("work", "running leaving policy execution coroutines failures space owner crew timetable "
             "keeper engine attendance deadlock pool"),
    ("", "options standing tasks definition rivals offers roster lifecycle waiting asynchronous "
         "enqueuing declared operations awaitable tasking service"),
    ("", "agenda shapes sparing opened operators"),
)  # fmt: skip
"""The rooms of `sprag.queue` and the modules in each, in the order of their layers. What an author
of queues meets lies in front, in no room: its words first, the class itself last."""

ORDER = (
    *(f"{room}.{name}".lstrip(".") for room, names in ROOMS for name in names.split()),
    "__init__",
)

PURE = (
    "errors", "states", "durations", "backoff", "payload.classes", "payload.times",
    "payload.decoding", "payload.encoding", "payload.codec", "job", "store.glances",
)  # fmt: skip

PACKAGE = Path(queue.__file__).parent


def dotted(file: Path) -> str:
    return ".".join(file.relative_to(PACKAGE).with_suffix("").parts)


TREES = {
    dotted(file): ast.parse(file.read_text(encoding="utf-8"))
    for file in PACKAGE.rglob("*.py")
    if file.name != "__init__.py" or file.parent == PACKAGE
}


def imports(module: str) -> list[tuple[str, bool]]:
    """(what, whether it is this package's own) of every import, wherever it stands."""
    room = module.split(".")[:-1]
    found = []
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            found += [(alias.name.partition(".")[0], False) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.append((str(node.module).partition(".")[0], False))
        elif isinstance(node, ast.ImportFrom):
            assert node.level <= len(room) + 1, f"{module} reaches out of its package"
            home = [*room[: len(room) + 1 - node.level], *(node.module or "").split(".")]
            name = ".".join(filter(None, home))
            if name in TREES:
                found.append((name, True))
            else:
                found += [(f"{name}.{alias.name}".lstrip("."), True) for alias in node.names]
    return found


def test_the_order_names_every_module_once() -> None:
    assert sorted(ORDER) == sorted(TREES)


def test_a_room_stands_on_the_rooms_before_it() -> None:
    """Each room is one stretch of the order, so no two rooms need one another."""
    rooms = [room for room, _ in ROOMS if room]
    assert len(rooms) == len(set(rooms))
    folders = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    assert folders == set(rooms)


@pytest.mark.parametrize("module", ORDER)
def test_a_module_imports_only_those_above_it(module: str) -> None:
    above = ORDER[: ORDER.index(module)]
    below = [name for name, own in imports(module) if own and name not in above]
    assert below == []


@pytest.mark.parametrize("module", ORDER)
def test_every_import_stands_at_the_top_of_its_file(module: str) -> None:
    tree = TREES[module]
    for_types = [
        node
        for block in tree.body
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in block.body
    ]
    inside = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        and node not in tree.body
        and node not in for_types
    ]
    assert inside == []


@pytest.mark.parametrize("module", PURE)
def test_a_pure_module_knows_no_clock_no_thread_and_no_database(module: str) -> None:
    outside = {name for name, own in imports(module) if not own}
    assert outside.isdisjoint({"time", "threading", "apsw", "os", "asyncio", "logging"})
    assert {name for name, own in imports(module) if own} <= set(PURE)


def test_only_these_modules_know_sqlite() -> None:
    using = {module for module in TREES if ("apsw", False) in imports(module)}
    # Most of the store's only name the type of a connection, or make arrays for one.
    files = {"meaning", "checkpoints", "connections", "identity", "inherited", "database"}
    stores = {
        "rows", "tickets", "jobs", "journal", "search", "statistics", "audit", "moves", "pruning",
        "ownership", "schedules", "aside", "batch", "store",
    }  # fmt: skip
    assert using == {f"file.{name}" for name in files} | {f"store.{name}" for name in stores}


def test_only_rows_runs_statements_and_only_identity_the_schema() -> None:
    def importing(name: str) -> set[str]:
        return {
            module
            for module, tree in TREES.items()
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom)
            and node.module == "sql.statements"
            and any(alias.name == name for alias in node.names)
        }

    assert importing("STATEMENTS") == {"store.rows"}
    assert importing("SCHEMA") == {"file.identity"}
    executing = {
        module
        for module, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in ("execute", "executemany")
    }
    assert executing == {"file.connections", "file.database", "file.identity", "store.rows"}


def test_rows_runs_nothing_but_named_statements() -> None:
    for node in ast.walk(TREES["store.rows"]):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "execute"
        ):
            first = node.args[0]
            assert isinstance(first, ast.Subscript), ast.unparse(node)
            assert ast.unparse(first.value) == "STATEMENTS"


def test_the_database_knows_no_table() -> None:
    texts = [
        node.value
        for module in ("file.connections", "file.database", "file.identity")
        for node in ast.walk(TREES[module])
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    words = {word.strip("\"'(),;").lower() for text in texts for word in text.split()}
    assert words.isdisjoint({"transition", "insert", "update", "delete"})
    assert "pragma" in words


def loaded_by(name: str) -> list[str]:
    """What an import loads that is neither the standard library nor sprag itself."""
    new, stdlib = map(json.loads, said(PROGRAMS / "loaded.py", name).splitlines())
    return sorted(
        module for module in new if module.partition(".")[0] not in (*stdlib, "apsw", "sprag")
    )


def test_the_queue_needs_apsw_and_the_standard_library_alone() -> None:
    assert loaded_by("sprag.queue") == []


def test_the_queue_does_not_load_its_terminal_program() -> None:
    new, _ = map(json.loads, said(PROGRAMS / "loaded.py", "sprag.queue").splitlines())
    assert [module for module in new if module.startswith("sprag.cli")] == []
    # Async handlers need it, and load it then.
    assert "asyncio" not in new


def test_importing_sprag_loads_nothing_that_is_not_used() -> None:
    new, _ = map(json.loads, said(PROGRAMS / "loaded.py", "sprag").splitlines())
    assert [module for module in new if module.startswith("sprag")] == ["sprag"]
    assert "apsw" not in new


def test_there_is_no_other_lazy_name() -> None:
    assert set(sprag.__all__) <= set(dir(sprag))
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = sprag.nonsense  # type: ignore[attr-defined]  # and type checkers say so too


def test_every_error_is_public() -> None:
    assert all(hasattr(queue, name) for name in queue.__all__)
    errors = [
        name
        for name, value in vars(queue.errors).items()
        if isinstance(value, type) and issubclass(value, BaseException)
    ]
    assert set(errors) <= set(queue.__all__)


def test_the_package_says_that_it_is_typed() -> None:
    assert (PACKAGE.parent / "py.typed").is_file()
    assert (PACKAGE / "sql" / "schema.sql").is_file()
    assert (PACKAGE / "sql" / "queries.sql").is_file()
