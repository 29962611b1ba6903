from __future__ import annotations

import enum
import itertools
import json
import math
import sys
from collections import OrderedDict, defaultdict, namedtuple
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from uuid import UUID

import apsw
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sprag.queue import PayloadError, PayloadTooLarge
from sprag.queue.payload.codec import MAX_DEPTH, decode, encode, encode_each
from tests.support import named

LIMIT = 1_000_000


@dataclass(frozen=True)
class Frozen:
    size: Any = 1


@dataclass(slots=True)
class Slotted:
    first: Any
    second: Any = None


@dataclass(frozen=True, slots=True)
class Both:
    value: Any


@dataclass
class Defaults:
    name: str
    numbers: list[Any] = field(default_factory=list)
    kept: Any = field(default=None, repr=False, compare=True)


@dataclass
class Counted:
    """A field that the constructor does not take, as after work on the object."""

    value: Any
    seen: Any = field(default=0, init=False)


@dataclass(kw_only=True)
class KeywordsOnly:
    left: Any
    right: Any = ()


class Outer:
    @dataclass
    class Inner:
        value: Any


DATACLASSES: list[Callable[[Any, Any], Any]] = [
    lambda a, b: Frozen(a),
    Slotted,
    lambda a, b: Both(a),
    lambda a, b: Defaults("x", [a], b),
    lambda a, b: KeywordsOnly(left=a, right=b),
    lambda a, b: Outer.Inner(a),
]


def counted(value: Any, seen: Any) -> Counted:
    made = Counted(value)
    made.seen = seen
    return made


def offsets() -> st.SearchStrategy[timezone]:
    return st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))


# Surrogates are no text; SQLite ends text at a NUL, but JSON escapes it.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SPECIAL = st.sampled_from(["$", "$tuple", "$dict", "$dataclass", "fields", "$$", '"$', "\x00"])
ATOMS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(10**400), 10**400),
    st.floats(allow_nan=False, allow_infinity=False),
    TEXT,
    SPECIAL,
    st.binary(max_size=20),
    st.datetimes(),
    st.datetimes(timezones=offsets()),
    st.dates(),
    st.times(),
    st.timedeltas(),
    st.decimals(allow_nan=False),
    st.uuids(),
    st.builds(PurePosixPath, TEXT),
    st.builds(PureWindowsPath, TEXT),
    st.builds(Path, TEXT.filter(lambda text: "\x00" not in text)),
)
HASHABLE = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(tuple),
        st.frozensets(inner, max_size=3),
        inner.map(Both),
    ),
    max_leaves=6,
)


def containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(TEXT | SPECIAL, inner, max_size=4),
        st.dictionaries(HASHABLE, inner, max_size=4),
        st.sets(HASHABLE, max_size=4),
        st.builds(
            lambda make, a, b: make(a, b), st.sampled_from([*DATACLASSES, counted]), inner, inner
        ),
    )


VALUES = st.recursive(ATOMS | HASHABLE, containers, max_leaves=20)


def same(one: Any, other: Any) -> bool:
    """Equal, and of the same types all the way down; 1, 1.0 and True are three things."""
    if type(one) is not type(other) or one != other:
        return False
    match one:
        case list() | tuple():
            return all(map(same, one, other))
        case dict():
            pairs = zip(one.items(), other.items(), strict=True)
            return all(same(a[0], b[0]) and same(a[1], b[1]) for a, b in pairs)
        case set() | frozenset():
            return sorted(map(repr, map(type, one))) == sorted(map(repr, map(type, other)))
        case datetime():
            return bool(one.utcoffset() == other.utcoffset())
        case float() | Decimal():
            return repr(one) == repr(other)
        case _ if is_dataclass(one):
            return all(same(getattr(one, x.name), getattr(other, x.name)) for x in fields(one))
        case _:
            return True


@pytest.fixture(scope="module")
def sqlite() -> apsw.Connection:
    return apsw.Connection(":memory:")


@given(VALUES)
@example([-0.0, 1, 1.0, True, 10**4000, 5e-324, 1.7976931348623157e308])
@example({"$tuple": [1]})
@example({"$dict": []})
@example({"$dataclass": "os:stat_result", "fields": {}})
@example({"a": {"$unknown": 1}})
@example({1: "one", "1": "text", (1,): "tuple", None: 0, b"": 0, Both(3): 0})
@example([(), {}, [], set(), frozenset(), b"", "", None])
@example([Decimal("1E+5"), Decimal("-0"), Decimal("NaN").is_nan(), timedelta.max, timedelta.min])
@example([datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC), date.max, time.max])
@example(["\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"), "\u2028\x00\x7f"])
@example(counted(1, [2]))
def test_a_value_comes_back_as_it_went_in(sqlite: apsw.Connection, value: Any) -> None:
    text = encode(value, LIMIT)
    back = decode(text)
    assert same(back, value)
    # What came back is stored in the same words.
    assert encode(back, LIMIT) == text
    # The sqlite3 shell can read it.
    assert sqlite.execute("SELECT json_valid(?)", (text,)).get == 1


@pytest.mark.parametrize(
    "text",
    ["NaN", "-NaN", "NaN123", "sNaN", "-sNaN7", "Infinity", "-Infinity", "-0", "0E-1999999999999",
     "1E+999999999999999999", "0.10", "1E+2"],
)  # fmt: skip
def test_a_decimal_comes_back_with_its_sign_its_zeros_and_its_payload(text: str) -> None:
    value = Decimal(text)
    back = decode(encode({"a": value}, LIMIT))["a"]
    assert (type(back), str(back), back.as_tuple()) == (Decimal, text, value.as_tuple())


def test_sets_of_sets_are_stored_in_one_order_however_they_were_made() -> None:
    # Their own order follows that in which they were filled, where hashes collide.
    inner = [0, 2**61 - 1, 2 * (2**61 - 1)]
    texts = {
        encode({frozenset(each), frozenset([1])}, LIMIT) for each in itertools.permutations(inner)
    }
    assert len(texts) == 1


def test_a_text_may_come_as_bytes() -> None:
    assert decode('[1,"ä",{"$tuple":[]}]'.encode()) == [1, "ä", ()]
    with pytest.raises(PayloadError, match="stored payload is not valid JSON"):
        decode(b'"\xff"')


@given(st.recursive(ATOMS.filter(lambda x: type(x) in (str, int, bool, type(None))), containers))
def test_the_text_is_strict_json(value: Any) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    json.loads(encode(value, LIMIT), parse_constant=refuse)


def test_plain_json_is_stored_as_it_is() -> None:
    value = {"path": "bücher/a.jpg", "sizes": [1, 2.5, None, True], "deep": {"": []}}
    text = encode(value, LIMIT)
    assert text == '{"path":"bücher/a.jpg","sizes":[1,2.5,null,true],"deep":{"":[]}}'
    assert decode(text) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ((800, 600), '{"$tuple":[800,600]}'),
        ({2, 1}, '{"$set":[1,2]}'),
        (frozenset("b"), '{"$frozenset":["b"]}'),
        (b"\x00\xff", '{"$bytes":"AP8="}'),
        (datetime(2024, 2, 29, 1, 2, 3, tzinfo=UTC), '{"$datetime":"2024-02-29T01:02:03+00:00"}'),
        (date(2024, 2, 29), '{"$date":"2024-02-29"}'),
        (time(1, 2), '{"$time":"01:02:00"}'),
        (timedelta(1, 2, 3), '{"$timedelta":[1,2,3]}'),
        (Decimal("1.10"), '{"$decimal":"1.10"}'),
        (UUID(int=1), '{"$uuid":"00000000-0000-0000-0000-000000000001"}'),
        (Path("a/b"), '{"$path":"a/b"}'),
        ({1: 2}, '{"$dict":[[1,2]]}'),
        ({"$x": 1, "y": 2}, '{"$dict":[["$x",1],["y",2]]}'),
        (Frozen(3), f'{{"$dataclass":"{__name__}:Frozen","fields":{{"size":3}}}}'),
        (Outer.Inner(3), f'{{"$dataclass":"{__name__}:Outer.Inner","fields":{{"value":3}}}}'),
    ],
)
def test_each_type_has_one_readable_form(value: Any, text: str) -> None:
    assert encode(value, LIMIT) == text
    assert same(decode(text), value)


def test_a_set_is_stored_in_the_same_order_every_time() -> None:
    words = [f"w{n}" for n in range(50)]
    backwards = words[::-1]
    assert encode(set(words), LIMIT) == encode(set(backwards), LIMIT)


@given(VALUES)
def test_no_data_can_be_taken_for_a_tag(value: Any) -> None:
    # The text of a payload, parsed and sent again as data, comes back as that data.
    data = json.loads(encode(value, LIMIT))
    assert decode(encode(data, LIMIT)) == data


# ---------------------------------------------------------------- refusals


class Color(enum.Enum):
    RED = 1


class IntColor(enum.IntEnum):
    RED = 1


class MyText(str):
    __slots__ = ()


class MyDict(dict[str, int]):
    pass


class MyComplex(complex):
    pass


class MyDatetime(datetime):
    pass


class Int64:
    """As a number of numpy."""

    def tolist(self) -> int:
        return 1


Point = namedtuple("Point", "x y")  # noqa: PYI024 - the untyped form is meant

LONE = "\ud800"


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (object(), "item"),
        ([1, {"sizes": [2, object()]}], "item[1]['sizes'][1]"),
        ({"a": (1, {3: object()})}, "item['a'][1][3]"),
        ({"a": Slotted(1, [object()])}, "item['a'].second[0]"),
        ({1: Both(object)}, "item[1].value"),
        ({object: 1}, f"key {object!r} of item"),
        ({"deep": {Color.RED: 1}}, f"key {Color.RED!r} of item['deep']"),
        ([Color.RED], "item[0]"),
        ([IntColor.RED], "item[0]"),
        ([MyText("x")], "item[0]"),
        ({MyText("x"): 1}, "key 'x' of item"),
        ([MyDict()], "item[0]"),
        ([MyDatetime(2026, 1, 1, tzinfo=UTC)], "item[0]"),
        ([OrderedDict()], "item[0]"),
        ([defaultdict(list)], "item[0]"),
        ([Point(1, 2)], "item[0]"),
        ([bytearray(b"x")], "item[0]"),
        ([1j], "item[0]"),
        ([range(3)], "item[0]"),
        ([iter([1])], "item[0]"),
        ([len], "item[0]"),
        ([ValueError("x")], "item[0]"),
        ([Frozen], "item[0]"),
        ([float("nan")], "item[0]"),
        ({"a": float("inf")}, "item['a']"),
        ((1, -float("inf")), "item[1]"),
        ({float("nan"): 1}, "key nan of item"),
        ([LONE], "item[0]"),
        ({"a": {"b": [1, LONE]}}, "item['a']['b'][1]"),
        ({"a": {LONE: 1}}, f"key {LONE!r} of item['a']"),
        ((1, [LONE]), "item[1][0]"),
        (LONE, "item"),
    ],
    ids=named,
)
def test_a_refusal_names_the_path_of_the_offending_value(value: Any, path: str) -> None:
    with pytest.raises(PayloadError) as refusal:
        encode(value, LIMIT)
    assert refusal.value.path == path
    assert str(refusal.value).startswith(path)
    # A message is shown and stored: it is valid text itself.
    str(refusal.value).encode()


@pytest.mark.parametrize(
    "value",
    [None, 1, "text", "\u00fc" * 9, {"a": [1, None]}, (1, 2), {1, 2}, {"$tuple": 1}, b"x", 1.5],
    ids=named,
)
def test_each_of_several_is_encoded_as_it_is_alone(value: Any) -> None:
    assert encode_each([value, value], LIMIT, "items") == [encode(value, LIMIT)] * 2


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"a": LONE}, "items[1]['a']"), ("x" * 49, "items[1]"), ("\u00fc" * 25, "items[1]"),
        (object(), "items[1]"), ([math.nan], "items[1][0]"), (10**5000, "items[1]"),
    ],
    ids=["lone surrogate", "too long", "too long in UTF-8", "object", "nan", "too many digits"],
)  # fmt: skip
def test_a_refusal_of_one_of_several_names_its_place(value: Any, path: str) -> None:
    with pytest.raises(PayloadError) as alone:
        encode(value, 50, "items[1]")
    with pytest.raises(PayloadError) as refusal:
        encode_each([1, value, object()], 50, "items")
    assert (refusal.value.path, str(refusal.value)) == (path, str(alone.value))


def test_several_may_be_one_object_that_changes() -> None:
    row: dict[str, int] = {}

    def rows() -> Iterator[dict[str, int]]:
        for row["n"] in range(3):
            yield row

    assert encode_each(rows(), LIMIT, "items") == ['{"n":0}', '{"n":1}', '{"n":2}']


def test_the_path_begins_with_the_root_that_was_given() -> None:
    with pytest.raises(PayloadError) as refusal:
        encode([object()], LIMIT, "items[3]")
    assert refusal.value.path == "items[3][0]"
    with pytest.raises(PayloadTooLarge) as too_large:
        encode("x" * 100, 50, "result")
    assert too_large.value.path == "result"


def test_a_refusal_says_what_is_expected() -> None:
    with pytest.raises(PayloadError, match=r"is of type builtins.complex.*expected JSON types"):
        encode(1j, LIMIT)
    with pytest.raises(PayloadError, match="is nan, which JSON cannot express"):
        encode(float("nan"), LIMIT)
    with pytest.raises(PayloadError, match="lone surrogate"):
        encode(LONE, LIMIT)


@pytest.mark.parametrize(
    ("value", "remedy"),
    [
        (Color.RED, "Store its .name or .value"),
        (IntColor.RED, "Store its .name or .value"),
        (MyText("x"), "It would come back as a plain str: convert it to one first"),
        (MyDict(), "It would come back as a plain dict: convert it to one first"),
        (Point(1, 2), "It would come back as a plain tuple: convert it to one first"),
        (MyDatetime(2026, 1, 1, tzinfo=UTC), "a plain datetime: convert it to one first"),
        (Int64(), "Convert it first, for example with .tolist()"),
        (object(), "Path or a dataclass"),
        (1j, "Path or a dataclass"),
        (MyComplex(1), "Path or a dataclass"),
        (bytearray(b"x"), "Convert it to bytes first"),
        (memoryview(b"x"), "Convert it to bytes first"),
    ],
    ids=named,
)
def test_a_refusal_says_what_to_do(value: Any, remedy: str) -> None:
    with pytest.raises(PayloadError) as refusal:
        encode({"a": value}, LIMIT)
    assert str(refusal.value).endswith(remedy)


def test_an_int_of_too_many_digits_is_refused() -> None:
    most = sys.get_int_max_str_digits()
    assert decode(encode(10 ** (most - 1), LIMIT)) == 10 ** (most - 1)
    with pytest.raises(PayloadError, match="cannot be stored"):
        encode({"n": [10**most]}, LIMIT)
    with pytest.raises(PayloadError, match="cannot be stored"):
        encode({"n": (10**most,)}, LIMIT)


def test_a_dataclass_that_cannot_be_found_again_is_refused() -> None:
    @dataclass
    class Local:
        value: int = 1

    with pytest.raises(PayloadError, match="define it at the top level of a module") as refusal:
        encode([Local()], LIMIT)
    assert refusal.value.path == "item[0]"


def test_a_dataclass_under_another_one_s_name_is_refused() -> None:
    impostor: Any = dataclass(
        type("Frozen", (), {"__module__": __name__, "__qualname__": "Frozen"})
    )
    with pytest.raises(PayloadError, match="cannot be found again"):
        encode(impostor(), LIMIT)


# ---------------------------------------------------------------- depth and size


def nested(kind: Callable[[list[Any]], Any], depth: int, core: Any = 1) -> Any:
    value = core
    for _ in range(depth):
        value = kind([value])
    return value


WRAPPERS: dict[str, Callable[[list[Any]], Any]] = {
    "list": list,
    "tuple": tuple,
    "dict": lambda values: {"k": values[0]},
    "pairs": lambda values: {1: values[0]},
    "dataclass": lambda values: Slotted(values[0]),
}


@pytest.mark.parametrize("kind", WRAPPERS)
def test_a_hundred_levels_are_stored_and_one_more_is_refused(
    sqlite: apsw.Connection, kind: str
) -> None:
    value = nested(WRAPPERS[kind], MAX_DEPTH)
    text = encode(value, LIMIT)
    assert decode(text) == value
    assert sqlite.execute("SELECT json_valid(?)", (text,)).get == 1
    with pytest.raises(PayloadError) as refusal:
        encode(nested(WRAPPERS[kind], MAX_DEPTH + 1), LIMIT)
    assert str(refusal.value) == "item has more than 100 levels of nesting"
    assert refusal.value.path.startswith("item")


def test_the_deepest_level_may_hold_any_number() -> None:
    for core in (1, 1.5, "x", None):
        for kind in (list, tuple):
            value = nested(kind, MAX_DEPTH, core)
            assert decode(encode(value, LIMIT)) == value


@pytest.mark.parametrize(
    "value", ["x" * 10, "ä" * 10, "€" * 10, "😀" * 10, ["ä", 1, "😀"], {"ä": b"1"}, ("€",)]
)
def test_the_size_is_counted_in_bytes_of_utf_8(value: Any) -> None:
    size = len(encode(value, LIMIT).encode())
    assert encode(value, size)
    with pytest.raises(PayloadTooLarge) as refusal:
        encode(value, size - 1)
    assert (refusal.value.size, refusal.value.limit) == (size, size - 1)
    assert "max_payload_bytes" in str(refusal.value)


# ---------------------------------------------------------------- stored text that is hostile


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "nope",
        "[" * 100_000,
        '{"$nonsense": 1}',
        '{"$": 1}',
        '{"$tuple": 5}',
        '{"$set": [[1]]}',
        '{"$set": 1}',
        '{"$frozenset": [{}]}',
        '{"$bytes": "not base64!"}',
        '{"$bytes": 5}',
        '{"$bytes": "ä"}',
        '{"$datetime": "yesterday"}',
        '{"$datetime": 5}',
        '{"$date": []}',
        '{"$time": "25:00"}',
        '{"$timedelta": 5}',
        '{"$timedelta": [1, "a"]}',
        '{"$timedelta": [1e300]}',
        '{"$decimal": "x"}',
        '{"$decimal": {}}',
        '{"$uuid": 5}',
        '{"$uuid": "5"}',
        '{"$uuid": null}',
        '{"$path": 5}',
        '{"$path": []}',
        '{"$dict": 5}',
        '{"$dict": [1]}',
        '{"$dict": [[1, 2, 3]]}',
        '{"$dict": [[[], 1]]}',
        '{"$dataclass": 5}',
        '{"$dataclass": null, "fields": {}}',
        '{"$dataclass": ""}',
        '{"$dataclass": ":"}',
        '{"$dataclass": "os"}',
        '{"$dataclass": "os:"}',
        '{"$dataclass": "os:system", "fields": {"command": "true"}}',
        '{"$dataclass": "os:path.join"}',
        '{"$dataclass": "builtins:dict"}',
        '{"$dataclass": "no.such.module:Thing", "fields": {}}',
        f'{{"$dataclass": "{__name__}:Frozen.__init__"}}',
        f'{{"$dataclass": "{__name__}:Frozen", "fields": []}}',
        f'{{"$dataclass": "{__name__}:Frozen", "fields": 5}}',
        f'{{"$dataclass": "{__name__}:Frozen", "fields": {{"gone": 1}}}}',
        f'{{"$dataclass": "{__name__}:Frozen", "fields": {{"__class__": 1}}}}',
        f'{{"$dataclass": "{__name__}:Slotted", "fields": {{}}}}',
        f'{{"$dataclass": "{__name__}:Slotted"}}',
        f'{{"$dataclass": "{__name__}:Picky", "fields": {{"value": -1}}}}',
        '{"$tuple": [' + '{"$tuple": [' * 900 + "]}" * 900 + "]}",
    ],
    ids=lambda text: text[:100],
)
def test_text_that_is_no_payload_is_refused_with_a_typed_error(text: str) -> None:
    with pytest.raises(PayloadError):
        decode(text)


@dataclass
class Picky:
    value: int = 1

    def __post_init__(self) -> None:
        if self.value < 0:
            raise ValueError("value is below 0")


@pytest.mark.parametrize(
    "text",
    [
        '{"$dataclass": "this:Zen", "fields": {}}',
        '{"$dataclass": "antigravity:x"}',
        '{"$dataclass": "xml.dom.pulldom:PullDOM"}',
        # A lazy name of a module that is there would be an import as well.
        '{"$dataclass": "tests.queue.test_codec:lazy"}',
    ],
)
def test_stored_data_never_imports_anything(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def module_getattr(name: str) -> Any:
        asked.append(name)
        raise AttributeError(name)

    monkeypatch.setattr(sys.modules[__name__], "__getattr__", module_getattr, raising=False)
    before = set(sys.modules)
    with pytest.raises(PayloadError, match="not imported in this process"):
        decode(text.replace("tests.queue.test_codec", __name__))
    assert set(sys.modules) == before
    assert asked == []


# ---------------------------------------------------------------- dataclasses that change


def test_a_new_field_with_a_default_is_filled_in() -> None:
    text = f'{{"$dataclass": "{__name__}:Defaults", "fields": {{"name": "old"}}}}'
    assert decode(text) == Defaults("old", [], None)


def test_a_field_that_is_gone_is_named() -> None:
    text = f'[{{"$dataclass": "{__name__}:Frozen", "fields": {{"size": 1, "b": 2, "a": 3}}}}]'
    with pytest.raises(PayloadError, match="no longer has: a, b") as refusal:
        decode(text)
    assert refusal.value.path == "payload[0]"


def test_a_new_field_without_a_default_is_named() -> None:
    text = f'{{"$dataclass": "{__name__}:Slotted", "fields": {{"second": 1}}}}'
    with pytest.raises(PayloadError, match="first"):
        decode(text)
