"""What is enqueued comes back as it went in, or is refused with the place of what would be lost."""

from __future__ import annotations

import functools
import threading
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from dataclasses import InitVar, dataclass
from datetime import UTC, datetime
from enum import Enum, IntEnum
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import pytest

from sprag.queue import PayloadError
from sprag.queue.payload.codec import decode, encode

LIMIT = 10**6

T = TypeVar("T")


def refused(value: object) -> PayloadError:
    with pytest.raises(PayloadError) as refusal:
        encode(value, LIMIT)
    return refusal.value


# ---------------------------------------------------------------- beside the fields


@dataclass
class Point:
    x: int = 0
    kind: ClassVar[str] = "point"

    @functools.cached_property
    def double(self) -> int:
        return self.x * 2


@dataclass
class WithInitVar:
    value: int
    factor: InitVar[int] = 2

    def __post_init__(self, factor: int) -> None:
        self.value *= factor


@dataclass
class Keeps:
    """Keeps what it is made of beside its fields."""

    value: int
    factor: InitVar[int] = 2

    def __post_init__(self, factor: int) -> None:
        self.scale = factor
        self.lock = threading.Lock()


@dataclass
class NeedsInitVar:
    value: int
    factor: InitVar[int]


class Level(IntEnum):
    LOW = 1


class Colour(Enum):
    RED = 1
    BLUE = 2


class Text(str):
    __slots__ = ()


@dataclass
class WithStatic:
    x: int = 0

    @staticmethod
    def helper() -> int:
        return 1


@dataclass
class KnowsItself:
    x: int

    def __post_init__(self) -> None:
        self.me = self


@dataclass
class Nested:
    x: int
    kid: object = None
    made: ClassVar[int] = 0

    def __post_init__(self) -> None:
        Nested.made += 1


makes: list[Callable[[], Any]] = []


@dataclass
class Made:
    x: int = 0

    def __post_init__(self) -> None:
        self.beside = makes[-1]()


class Making:
    """A dataclass whose constructor calls this to have something beside its fields."""

    def __init__(self, made: Callable[[], Any]) -> None:
        makes[:] = [made]
        self.content = Made()


class Slots:
    __slots__ = ("note",)


@dataclass(slots=True)
class WithSlot(Slots):
    x: int = 0


@dataclass
class Box(Generic[T]):
    content: T


class Tenfold:
    """A descriptor that keeps the field's value beside it."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = f"_{name}"

    def __get__(self, value: object, owner: type) -> int:
        return 0 if value is None else int(getattr(value, self.name)) * 10

    def __set__(self, value: object, given: int) -> None:
        setattr(value, self.name, given // 10)


@dataclass
class Described:
    size: int = Tenfold()  # type: ignore[assignment]  # the default of such a field


def test_fields_come_back_past_what_the_constructor_does_to_them() -> None:
    assert WithInitVar(3).value == 6
    assert decode(encode(WithInitVar(3), LIMIT)).value == 6
    assert decode(encode(WithInitVar(3, 5), LIMIT)).value == 15


def test_a_dataclass_that_could_not_be_made_again_is_refused_at_once() -> None:
    assert "factor" in str(refused(NeedsInitVar(1, 2)))


def test_an_attribute_beside_the_fields_is_refused_with_its_name() -> None:
    noted, told = Point(1), WithSlot()
    vars(noted)["note"] = "x"
    told.note = "x"  # type: ignore[attr-defined]  # a slot of the base class
    overridden = Point()
    vars(overridden)["kind"] = "other"
    for value, name in ((noted, "note"), (told, "note"), (overridden, "kind")):
        refusal = refused([value])
        assert refusal.path == f"item[0].{name}"
        assert str(refusal) == (
            f"item[0].{name} is not a field of dataclass {type(value).__qualname__}, and would be "
            "lost: make it a field, or remove it before"
        )


def test_what_an_init_var_has_left_behind_is_kept_or_refused() -> None:
    again = decode(encode(Keeps(1), LIMIT))
    assert (again.value, again.scale) == (1, 2)
    assert again.lock.acquire(blocking=False)  # one of its own
    refusal = refused({"a": Keeps(1, 3)})
    assert refusal.path == "item['a'].scale"
    assert "item['a'].scale is not a field of dataclass Keeps, and would come back as 2" in str(
        refusal
    )


@pytest.mark.parametrize(
    ("made", "changed"),
    [
        (lambda: Colour.RED, Colour.BLUE),
        (lambda: Level.LOW, 1),
        (lambda: deque([1]), deque([2])),
        (lambda: bytearray(b"a"), bytearray(b"b")),
        (lambda: Text("a"), Text("b")),
        (lambda: float("nan"), float("inf")),
        (lambda: [threading.Lock(), 1], [threading.Lock(), 2]),
        (lambda: {"a": [1]}, {"a": [2]}),
        (lambda: Point(1), Point(2)),
        (lambda: None, "a"),
    ],
    ids=lambda value: "" if callable(value) else type(value).__name__,
)
def test_what_a_constructor_makes_beside_the_fields_is_kept_until_it_is_changed(
    made: Callable[[], Any], changed: Any
) -> None:
    value = Making(made)
    assert type(decode(encode(value.content, LIMIT)).beside) is type(made())
    value.content.beside = changed
    refusal = refused(value.content)
    assert refusal.path == "item.beside"
    assert "would come back as" in str(refusal)


def test_an_attribute_that_hides_a_method_is_refused() -> None:
    value = WithStatic()
    vars(value)["helper"] = "x"
    assert refused(value).path == "item.helper"


def test_a_dataclass_may_know_itself() -> None:
    again = decode(encode(KnowsItself(1), LIMIT))
    assert again.me is again


def test_each_of_many_nested_constructors_runs_a_few_times_only() -> None:
    value = None
    for n in range(60):
        value = Nested(n, value)
    Nested.made = 0
    text = encode(value, LIMIT)
    assert decode(text) == value
    assert Nested.made < 60 * 60


def test_what_is_computed_or_python_s_own_may_be_beside_the_fields() -> None:
    point, box = Point(2), Box[int](1)
    assert point.double == 4
    assert "__orig_class__" in vars(box)
    for value in (point, box, WithSlot(3), Described(20)):
        assert decode(encode(value, LIMIT)) == value


# ---------------------------------------------------------------- subclasses with more in them


class Pair(NamedTuple):
    a: int
    b: int


class Named(Pair):
    """A namedtuple with attributes."""


class Number(int):
    __slots__ = ()


class Moment(datetime):
    pass


@dataclass
class Failure(Exception):
    code: int = 1


@dataclass
class Line(deque[int]):
    name: str = "line"


@dataclass
class Table(dict[str, int]):
    name: str = "table"


HOLDS_MORE: dict[str, object] = {
    "a named tuple": Pair(1, 2),
    "a subclass of a named tuple": Named(1, 2),
    "a member of an IntEnum": Level.LOW,
    "a member of an Enum": Colour.RED,
    "a subclass of str": Text("x"),
    "a subclass of int": Number(1),
    "a subclass of datetime": Moment(2030, 1, 1, tzinfo=UTC),
    "a defaultdict": defaultdict(list, {"a": [1]}),
    "an OrderedDict": OrderedDict(a=1),
    "an exception": ValueError("x"),
    "an exception that is a dataclass": Failure(2),
    "a deque that is a dataclass": Line(),
    "a dict that is a dataclass": Table(),
}


@pytest.mark.parametrize("what", HOLDS_MORE)
def test_what_holds_more_than_would_be_stored_is_refused(what: str) -> None:
    assert refused({"k": [HOLDS_MORE[what]]}).path == "item['k'][0]"


# ---------------------------------------------------------------- depth


def ring() -> list[Any]:
    made: list[Any] = [1]
    made.append(made)
    return made


def loop() -> dict[str, Any]:
    made: dict[str, Any] = {"a": [1]}
    made["a"].append((made,))
    return made


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (ring, "item contains itself, as item[1], and so cannot be stored"),
        (loop, "item contains itself, as item['a'][1][0], and so cannot be stored"),
        (
            lambda: {"b": [Box(ring())]},
            "item['b'][0].content contains itself, as item['b'][0].content[1], and so cannot be "
            "stored",
        ),
    ],
    ids=["ring", "loop", "dataclass"],
)
def test_what_contains_itself_is_refused_in_one_short_line(
    make: Callable[[], Any], told: str
) -> None:
    assert str(refused(make())) == told


def test_what_is_deep_and_shared_is_not_taken_for_a_circle() -> None:
    shared: list[Any] = []
    for _ in range(200):
        shared = [shared, shared]
    deep: Any = 1
    for _ in range(100_000):
        deep = {"k": deep}
    try:
        for value in (shared, deep):
            assert str(refused(value)) == "item has more than 100 levels of nesting"
    finally:
        while isinstance(deep, dict):  # or taking it down would be as deep
            deep = deep.pop("k")


@pytest.mark.parametrize(
    ("length", "told"), [(5000, "contains itself"), (20_000, "more than 100 levels of nesting")]
)
def test_a_circle_is_not_searched_for_without_end(length: int, told: str) -> None:
    end: list[Any] = []
    value: Any = end
    for _ in range(length):
        value = [value]
    end.append(value)
    try:
        assert told in str(refused(value))
    finally:
        end.clear()


def test_the_middle_of_a_long_path_is_left_out_of_the_message() -> None:
    value: Any = object()
    for _ in range(45):
        value = {"a long key": [value]}
    refusal = refused(value)
    assert len(refusal.path) > 500
    assert refusal.path.startswith("item['a long key'][0]")
    told = str(refusal).partition(" is of type")[0]
    assert len(told) == 201
    assert told == f"{refusal.path[:100]}…{refusal.path[-100:]}"


def test_a_stored_text_that_is_nested_too_deeply_is_told_alike() -> None:
    with pytest.raises(
        PayloadError, match="the stored payload has more than 100 levels of nesting"
    ):
        decode('{"$tuple": [' * 2_000 + "]}" * 2_000)
