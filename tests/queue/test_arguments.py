"""The arguments of tasks: bound to a signature, stored as JSON, the same again in the handler."""

from __future__ import annotations

import dataclasses
import enum
import inspect
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, NewType, NotRequired, TypedDict
from uuid import UUID

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given, settings

from sprag.queue import ArgumentError, PayloadError, PayloadTooLarge
from sprag.queue.payload.codec import decode
from sprag.queue.signature.arguments import Arguments
from tests.support import examples, named

LIMIT = 1_000_000


class Color(enum.Enum):
    RED = "red"
    PALE = ("red", 0.5)


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Rights(enum.Flag):
    READ = 1
    WRITE = 2


class Size(NamedTuple):
    width: int
    color: Color = Color.RED


class Order(TypedDict):
    color: Color
    count: NotRequired[int]


@dataclass(frozen=True)
class Plain:
    x: int
    at: datetime | None = None


@dataclass
class Tree:
    color: Color
    children: list[Tree] = field(default_factory=list)
    number: int = field(init=False, default=7)


class Struct(msgspec.Struct):
    at: datetime
    sizes: dict[int, str] = {}


class Same(msgspec.Struct, eq=False):
    x: int


UserId = NewType("UserId", int)

COLORS = st.sampled_from(Color)
TIMES = st.datetimes(timezones=st.just(UTC))
PLAIN = st.builds(Plain, st.integers(), st.none() | TIMES)
TREES = st.recursive(
    st.builds(Tree, COLORS), lambda trees: st.builds(Tree, COLORS, st.lists(trees, max_size=3))
)
STRUCTS = st.builds(Struct, TIMES, st.dictionaries(st.integers(), st.text()))
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | FLOATS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip

VALUES: dict[Any, st.SearchStrategy[Any]] = {
    Any: JSON, int: st.integers(), str: st.text(), float: FLOATS | st.integers(),
    bytes: st.binary(), datetime: TIMES, date: st.dates(), time: st.times(),
    timedelta: st.timedeltas(), Decimal: st.decimals(allow_nan=False), UUID: st.uuids(),
    Path: st.text(alphabet="abc/.", min_size=1).map(Path), UserId: st.integers(),
    Color: COLORS, Level: st.sampled_from(Level), Rights: st.sampled_from(Rights)
    | st.just(Rights.READ | Rights.WRITE) | st.just(Rights(0)),
    Size: st.builds(Size, st.integers(), COLORS), Plain: PLAIN, Tree: TREES,
    Struct: STRUCTS,
    Order: st.fixed_dictionaries({"color": COLORS}, optional={"count": st.integers()}),
    Literal["a", 1] | None: st.sampled_from(["a", 1, None]),
    Literal[Color.RED]: st.just(Color.RED),
    Annotated[Color, "of it"]: COLORS,
    Color | None: st.none() | COLORS,
    Color | int | None: st.none() | COLORS | st.integers(),
    datetime | date | None: st.none() | TIMES,
    Struct | Color | list[Tree]: STRUCTS | COLORS | st.lists(TREES, max_size=2),
    list[Color]: st.lists(COLORS), Sequence[Color]: st.lists(COLORS) | st.tuples(COLORS),
    tuple[Color, ...]: st.lists(COLORS).map(tuple),
    tuple[int, Color]: st.tuples(st.integers(), COLORS),
    set[Color]: st.sets(COLORS), frozenset[Level]: st.frozensets(st.sampled_from(Level)),
    dict[str, Struct]: st.dictionaries(st.text(), STRUCTS, max_size=2),
    Mapping[Color, list[Size]]: st.dictionaries(COLORS, st.lists(
        st.builds(Size, st.integers(), COLORS))),
    dict[int, Plain]: st.dictionaries(st.integers(), PLAIN, max_size=2),
    list[list[Order]]: st.lists(st.lists(
        st.fixed_dictionaries({"color": COLORS}), max_size=2), max_size=2),
}  # fmt: skip


def takes(annotation: Any) -> Arguments:
    """The arguments of a method with one parameter of this annotation."""

    def method(self: object, value: Any) -> None:
        """Never called."""

    method.__annotations__["value"] = annotation
    return Arguments("Work.method", method, object)


def again(arguments: Arguments, *args: Any, **kwargs: Any) -> tuple[list[Any], dict[str, Any]]:
    """What the handler is called with."""
    return arguments.taken(decode(arguments.encoded(arguments.bound(args, kwargs), LIMIT)))


def item(arguments: Arguments, *args: Any, **kwargs: Any) -> Any:
    return json.loads(arguments.encoded(arguments.bound(args, kwargs), LIMIT))


@pytest.mark.parametrize("annotation", VALUES, ids=named)
def test_a_value_of_any_annotation_comes_back_as_it_went_in(annotation: Any) -> None:
    arguments = takes(annotation)

    @settings(max_examples=examples(100))
    @given(VALUES[annotation])
    def try_one(value: Any) -> None:
        args, kwargs = again(arguments, value)
        made = kwargs["value"]
        assert (args, made) == ([], value)
        assert type(made) is type(value)

    try_one()


class Signatures:
    def every(
        self, a: int, /, b: Color, c: int = 3, *rest: Color, d: Color, e: str = "", **more: Color
    ) -> None:
        """Never called."""

    def two(self, a: int, b: int = 0, /, c: int = 2, *rest: int) -> None:
        """Never called."""


def called(method: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """What each parameter would be, with the defaults."""
    bound = inspect.signature(method).bind(None, *args, **kwargs)
    bound.apply_defaults()
    return bound.arguments


EVERY = Arguments("Signatures.every", Signatures.every, Signatures)
TWO = Arguments("Signatures.two", Signatures.two, Signatures)


@settings(max_examples=examples(300))
@given(
    st.tuples(st.integers(), COLORS)
    | st.tuples(st.integers(), COLORS, st.integers())
    | st.tuples(st.integers(), COLORS, st.integers(), COLORS, COLORS),
    st.fixed_dictionaries({"d": COLORS}, optional={"e": st.text()}),
    st.dictionaries(st.text(min_size=1).filter(lambda name: name not in ("b", "c", "d", "e")),
                    COLORS, max_size=3),
)  # fmt: skip
def test_arguments_of_every_kind_reach_the_parameters_that_a_plain_call_gives_them(
    args: tuple[Any, ...], kwargs: dict[str, Any], more: dict[str, Color]
) -> None:
    made = again(EVERY, *args, **kwargs, **more)
    assert called(Signatures.every, *made) == called(Signatures.every, args, kwargs | more)


@settings(max_examples=examples(200))
@given(st.lists(st.integers(), min_size=1, max_size=6))
def test_places_stay_in_order_before_those_that_are_collected(args: list[int]) -> None:
    made = again(TWO, *args)
    assert called(Signatures.two, *made) == called(Signatures.two, args, {})


def test_an_item_of_another_program_may_leave_out_what_comes_before_the_rest() -> None:
    made = TWO.taken({"a": 1, "*rest": [5]})
    assert called(Signatures.two, *made) == {
        "self": None, "a": 1, "b": 0, "c": 2, "rest": (5,)
    }  # fmt: skip


def test_an_item_has_the_arguments_that_were_given_by_name() -> None:
    assert item(EVERY, 1, Color.RED, 4, Color.PALE, d=Color.RED, x=Color.RED) == {
        "a": 1, "b": "red", "c": 4, "*rest": [{"$tuple": ["red", 0.5]}], "d": "red",
        "**more": {"x": "red"},
    }  # fmt: skip


# ---------------------------------------------------------------- from other programs


@pytest.mark.parametrize(
    ("annotation", "stored", "value"),
    [
        (datetime, "2026-01-31T10:00:00Z", datetime(2026, 1, 31, 10, tzinfo=UTC)),
        (date, "2026-01-31", date(2026, 1, 31)),
        (time | None, "10:30", time(10, 30)),
        (timedelta, 90, timedelta(seconds=90)),
        (Decimal, "1.10", Decimal("1.10")),
        (UUID, "12345678123456781234567812345678", UUID("12345678123456781234567812345678")),
        (list[Path], ["a/b"], [Path("a/b")]),
        (tuple[int, ...], [1, 2], (1, 2)),
        (tuple[int, Color], [1, "red"], (1, Color.RED)),
        (set[int], [1, 2], {1, 2}),
        (frozenset, [1], frozenset({1})),
        (Plain, {"x": 1, "at": "2026-01-31T10:00:00Z"},
         Plain(1, datetime(2026, 1, 31, 10, tzinfo=UTC))),
        (Plain | None, {"x": 1}, Plain(1)),
        (Size, [3], Size(3)),
        (Struct, {"at": "2026-01-31T10:00:00Z"}, Struct(datetime(2026, 1, 31, 10, tzinfo=UTC))),
        (UUID | str, "x", "x"),
    ],
    ids=named,
)  # fmt: skip
def test_plain_json_becomes_what_the_annotation_says(
    annotation: Any, stored: Any, value: Any
) -> None:
    """Another program writes it, or a caller passes it."""
    arguments = takes(annotation)
    args, kwargs = arguments.taken({"value": stored})
    assert (args, kwargs) == ([], {"value": value})
    assert type(kwargs["value"]) is type(value)
    assert again(arguments, stored) == ([], {"value": value})


# ---------------------------------------------------------------- refused


class Receipts:
    def receipt(self, order_id: int, lang: str = "en", *, at: datetime | None = None) -> Plain:
        raise NotImplementedError


RECEIPT = Arguments("Receipts.receipt", Receipts.receipt, Receipts)


UNEXPECTED = "got an unexpected keyword argument 'oder_id' (did you mean 'order_id'?)"


@pytest.mark.parametrize(
    ("args", "kwargs", "problem"),
    [
        ((), {}, "missing a required argument: 'order_id'"),
        ((1, "de", 3), {}, "too many positional arguments"),
        ((1,), {"order_id": 2}, "multiple values for argument 'order_id'"),
        ((), {"oder_id": 1}, UNEXPECTED),
        ((1,), {"zzz": 1}, "got an unexpected keyword argument 'zzz'"),
    ],
)  # fmt: skip
def test_arguments_that_do_not_fit_are_refused_with_the_task_and_its_signature(
    args: tuple[Any, ...], kwargs: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ArgumentError) as refusal:
        RECEIPT.bound(args, kwargs)
    assert str(refusal.value) == (
        f"Receipts.receipt: {problem}. Expected receipt(order_id: int, lang: str = 'en', *, at: "
        "datetime.datetime | None = None) -> tests.queue.test_arguments.Plain"
    )
    assert refusal.value.task == "receipt"
    assert isinstance(refusal.value, TypeError)


class Opaque:
    """Nothing stores it."""


@pytest.mark.parametrize(
    ("annotation", "value", "problem"),
    [
        (Any, Opaque(), "argument value is of type tests.queue.test_arguments.Opaque"),
        (Any, Color.RED, "argument value is of type tests.queue.test_arguments.Color"),
        (Any, [1, {2: Opaque()}], "argument value[1][2] is of type tests.queue.test_arg"),
        (Color, "blue", "argument value: expected a Color ('red', ('red', 0.5)), got 'blue'"),
        (list[Color], [Color.RED, "blue"], "argument value[1]: expected a Color"),
        (datetime, "soon", "argument value: expected a datetime, got 'soon'"),
        (Order, {"count": 1}, "argument value: expected a Order with the key 'color', got"),
        (Order, 3, "argument value: expected a dict with the keys of Order, got 3"),
        (Plain, {"y": 1}, "argument value has 'y', which Plain lacks"),
        (Plain, {}, "argument value is not a valid Plain: "),
        (Plain, 3, "argument value: expected a Plain, got 3"),
        (Size, "x", "argument value: expected a Size, got 'x'"),
        (datetime, 3, "argument value: expected a datetime, got 3"),
        (Struct, {"at": "soon"}, "argument value is not a valid Struct: "),
        (Size, [1, "red", 3], "argument value: expected a Size, got [1, 'red', 3]"),
        (tuple[int, Color], (1,), "argument value: expected tuple[int, "),
        (UUID | None, "x", "argument value: expected uuid.UUID | None, got 'x'"),
        (Color | str, Color.RED, "argument value is <Color.RED: 'red'>, and would come"),
    ],
    ids=named,
)  # fmt: skip
def test_a_value_that_would_not_come_back_is_refused_with_the_name_of_the_argument(
    annotation: Any, value: Any, problem: str
) -> None:
    arguments = takes(annotation)
    with pytest.raises(PayloadError) as refusal:
        arguments.encoded(arguments.bound((value,), {}), LIMIT)
    assert str(refusal.value).startswith(f"Work.method: {problem}")
    assert refusal.value.path.startswith("value")


def test_an_object_without_equality_is_stored_if_it_is_stored_alike() -> None:
    _, kwargs = again(takes(Same), Same(3))
    assert kwargs["value"].x == 3


def test_arguments_that_are_too_large_are_refused_by_their_size() -> None:
    arguments = takes(str)
    with pytest.raises(PayloadTooLarge, match=r"Work\.method: item takes 112 bytes") as refusal:
        arguments.encoded(arguments.bound(("x" * 100,), {}), 50)
    assert refusal.value.limit == 50


@pytest.mark.parametrize(
    ("stored", "problem"),
    [
        ([1], "expected an item with the arguments by name, got [1]"),
        ({}, "the item lacks the argument 'order_id'"),
        ({"order_id": 1, "speed": 2}, "the item has the argument 'speed', which it does not take"),
        ({"order_id": 1, "at": "soon"}, "argument at: expected datetime.datetime | None, got"),
    ],
)  # fmt: skip
def test_an_item_that_does_not_fit_the_task_as_it_is_now_is_refused(
    stored: Any, problem: str
) -> None:
    with pytest.raises(ArgumentError) as refusal:
        RECEIPT.taken(stored)
    assert str(refusal.value).startswith(f"Receipts.receipt: {problem}")
    assert ". Expected receipt(order_id: int, lang: str = 'en', " in str(refusal.value)


@pytest.mark.parametrize("stored", [{"*rest": 3, "a": 1}, {"**more": [], "a": 1}])
def test_an_item_of_another_program_with_a_wrong_collection_is_refused(stored: Any) -> None:
    with pytest.raises(ArgumentError, match=r"expected a (list|dict), got"):
        EVERY.taken({"d": "red", "b": "red", **stored})


# ---------------------------------------------------------------- annotations


def test_an_annotation_that_cannot_be_found_says_nothing() -> None:
    """It may be imported for type checkers alone."""

    class Local:
        def method(self, a: NotThere, b: Color) -> NotThere:  # type: ignore[name-defined]  # noqa: F821
            raise NotImplementedError

    arguments = Arguments("Local.method", Local.method, Local)
    assert again(arguments, {"x": 1}, Color.RED) == ([], {"a": {"x": 1}, "b": Color.RED})
    assert str(arguments) == (
        "Local.method(a: 'NotThere', b: tests.queue.test_arguments.Color) -> 'NotThere'"
    )


def test_an_annotation_may_name_a_class_inside_of_the_queue() -> None:
    class Work:
        class Kind(enum.Enum):
            ONE = 1

        def method(self, kind: Kind) -> None:
            raise NotImplementedError

    arguments = Arguments("Work.method", Work.method, Work)
    assert item(arguments, Work.Kind.ONE) == {"kind": 1}
    assert again(arguments, Work.Kind.ONE) == ([], {"kind": Work.Kind.ONE})


def test_none_is_taken_where_it_is_the_default() -> None:
    def method(self: object, color: Color = None) -> None:  # type: ignore[assignment]
        """Never called."""

    arguments = Arguments("method", method, object)
    assert again(arguments, None) == ([], {"color": None})


def test_a_dataclass_with_an_enum_is_stored_by_its_fields() -> None:
    tree = Tree(Color.RED, [Tree(Color.RED)])
    assert item(takes(Tree), tree)["value"] == {
        "color": "red", "number": 7,
        "children": [{"color": "red", "children": [], "number": 7}],
    }  # fmt: skip
    tree.number = 8
    _, kwargs = again(takes(Tree), tree)
    assert dataclasses.asdict(kwargs["value"]) == dataclasses.asdict(tree)
