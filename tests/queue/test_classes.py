"""Dataclasses in payloads: which are found again, by which processes, and what is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field, make_dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar

import pytest

from sprag.queue import PayloadError
from sprag.queue.payload.codec import decode, encode
from tests.support import DEADLINE, unmeasured

LIMIT = 1_000_000
PROGRAMS = Path(__file__).parent / "programs"

SCRIPT = (str(PROGRAMS / "points.py"),)
MODULE = ("-m", "points")
ELSEWHERE = (str(PROGRAMS / "points_elsewhere.py"),)


def ran(program: tuple[str, ...], *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *program, *map(str, arguments)],
        env={**unmeasured(), "PYTHONPATH": str(PROGRAMS)},
        capture_output=True, text=True, timeout=DEADLINE, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("enqueuing", "working"),
    [(SCRIPT, SCRIPT), (SCRIPT, ELSEWHERE), (ELSEWHERE, SCRIPT), (MODULE, SCRIPT),
     (ELSEWHERE, MODULE)],
    ids=["script, script", "script, imported", "imported, script", "-m, script", "imported, -m"],
)  # fmt: skip
def test_a_dataclass_of_a_script_is_found_by_every_process_that_has_it(
    database: Path, enqueuing: tuple[str, ...], working: tuple[str, ...]
) -> None:
    enqueued = ran(enqueuing, "enqueue", database)
    assert enqueued.returncode == 0, enqueued.stderr
    worked = ran(working, "work", database)
    assert worked.stdout == "completed Point(x=2, y=1)\n", worked.stderr


def test_a_dataclass_that_no_other_process_could_find_is_refused(database: Path) -> None:
    code = (PROGRAMS / "points.py").read_text(encoding="utf-8")
    done = ran(("-c", code), "enqueue", database)
    assert done.returncode == 1
    assert "PayloadError: item is of dataclass __main__:Point" in done.stderr
    assert "define it in a module" in done.stderr


def test_a_dataclass_of_a_script_that_is_imported_as_well_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    main = sys.modules["__main__"]
    monkeypatch.setattr(main, "__spec__", None)
    monkeypatch.setattr(main, "__file__", os.fspath(PROGRAMS / "twice.py"), raising=False)
    mine, other = make_dataclass("Twice", ["x"]), make_dataclass("Twice", ["x"])
    mine.__module__, other.__module__ = "__main__", "twice"
    monkeypatch.setattr(main, "Twice", mine, raising=False)
    assert decode(encode(mine(1), LIMIT)) == mine(1)
    assert '"twice:Twice"' in encode(mine(1), LIMIT)
    # What an earlier version stored.
    assert decode('{"$dataclass": "__main__:Twice", "fields": {"x": 1}}') == mine(1)
    module: Any = type(sys)("twice")
    module.Twice = other
    monkeypatch.setitem(sys.modules, "twice", module)
    with pytest.raises(PayloadError, match=r"two such classes: use twice\.Twice"):
        encode([mine(1)], LIMIT)
    assert decode(encode(other(1), LIMIT)) == other(1)


@dataclass
class Renamed:
    value: int = 1


Kept = Renamed
Before = Renamed


@dataclass
class Renamed:  # type: ignore[no-redef]  # as a notebook's cell that is run again does
    value: int = 1


def test_a_dataclass_that_was_defined_again_is_refused_with_the_reason() -> None:
    with pytest.raises(PayloadError, match="is another class by now") as refusal:
        encode({"a": Before()}, LIMIT)
    assert refusal.value.path == "item['a']"


def test_a_dataclass_of_a_function_is_refused_with_the_reason() -> None:
    @dataclass
    class Local:
        value: int = 1

    with pytest.raises(PayloadError, match="inside a function: define it at the top level"):
        encode([Local()], LIMIT)


def test_a_dataclass_that_its_module_has_under_no_such_name_is_refused() -> None:
    kind = make_dataclass("Nowhere", ["x"])
    kind.__module__ = __name__
    with pytest.raises(PayloadError, match="there is no such class under the name"):
        encode([kind(1)], LIMIT)


# ---------------------------------------------------------------- what could not be made again


@dataclass
class Parses:
    """Its constructor takes text, and keeps something else."""

    when: Any

    def __post_init__(self) -> None:
        self.when = datetime.fromisoformat(self.when)


@dataclass
class Undecided:
    value: int

    def __post_init__(self) -> None:
        if getattr(self, "seen", True):
            self.value += 1


@dataclass
class Computed:
    side: int
    area: int = field(init=False)


class _Area:
    pass


def area(self: Any) -> int:
    return int(self.side**2)


Computed.area = property(area)  # type: ignore[assignment]  # as a property beside the field would


@dataclass
class Given:
    value: int


class OwnConstructor(Given):
    def __init__(self, text: str) -> None:
        super().__init__(int(text))


class Raises(Given):
    def __init__(self, value: int) -> None:
        super().__init__(value)
        if value > 5:
            raise RuntimeError("too much")

    def __post_init__(self) -> None:
        """Its constructor is more than the keeping of fields."""


@dataclass
class Pretends:
    value: int = 1
    away: ClassVar[bool] = False

    def __new__(cls, *_: Any, **__: Any) -> Any:
        return object.__new__(Given) if Pretends.away else object.__new__(cls)

    def __post_init__(self) -> None:
        """As above."""


def too_much() -> Raises:
    made = Raises(1)
    made.value = 9
    return made


def pretended() -> Pretends:
    made = Pretends()
    Pretends.away = True
    return made


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: Parses("2026-01-01"), "fromisoformat"),
        (lambda: Computed(2), "has no setter"),
        (lambda: OwnConstructor("5"), "value"),
        (too_much, "too much"),
        (pretended, "it became"),
    ],
    ids=["post_init", "property", "constructor", "raises", "another class"],
)
def test_a_dataclass_that_could_not_be_made_again_is_refused_when_it_is_enqueued(
    make: Any, reason: str
) -> None:
    with pytest.raises(PayloadError, match=reason) as refusal:
        encode([make()], LIMIT)
    assert refusal.value.path == "item[0]"
    assert "again" in str(refusal.value)


@dataclass
class Appends:
    entries: list[int]

    def __post_init__(self) -> None:
        self.entries.append(0)


def test_looking_whether_a_dataclass_can_be_made_again_leaves_it_as_it_is() -> None:
    value = Appends([1])
    text = encode(value, LIMIT)
    assert value.entries == [1, 0]
    assert decode(text) == value


class Color(Enum):
    RED = 1


@dataclass(frozen=True)
class Shape:
    corners: int


class Shapes(Shape, Enum):
    SQUARE = 4


@dataclass
class Words(str):
    __slots__ = ("language",)
    language: str

    def __new__(cls, *_: Any, **__: Any) -> Self:
        return str.__new__(cls, "its own text")


@dataclass
class Pairs(dict[str, int]):
    name: str = "x"


@dataclass
class Failed(Exception):
    """Its args, notes and cause are beside its fields."""

    code: int


@pytest.mark.parametrize(
    "value",
    [Shapes.SQUARE, Words("en"), Pairs(), Failed(3)],
    ids=["enum", "str", "dict", "exception"],
)
def test_a_dataclass_with_content_beyond_its_fields_is_refused(value: Any) -> None:
    with pytest.raises(PayloadError, match="cannot be stored"):
        encode([value], LIMIT)


T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class Base(Generic[T]):
    content: T
    more: tuple[int, ...] = ()


@dataclass(slots=True, kw_only=True)
class Derived(Base[T]):
    at: datetime | None = None


class Undecorated(Given):
    """A dataclass by inheritance."""


@pytest.mark.parametrize(
    "value",
    [
        Base(content={1: (2,)}),
        Derived(content=b"x", more=(1,), at=datetime(2026, 1, 1, fold=1)),  # noqa: DTZ001
        Undecorated(7),
        Raises(3),
    ],
)
def test_a_dataclass_comes_back_as_it_went_in(value: Any) -> None:
    back = decode(encode([value], LIMIT))[0]
    assert type(back) is type(value)
    assert vars(back) == vars(value) if hasattr(value, "__dict__") else back == value
