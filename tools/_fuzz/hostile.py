"""Values that nobody means well with: what a program may hand to sprag all the same.

Everything is drawn from a `random.Random`, so that a seed repeats it, and hypothesis, whose
`randoms()` is one, can shrink it.
"""

from __future__ import annotations

import enum
import math
import random
import sys
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import CoroutineType
from typing import Any, NoReturn
from uuid import UUID
from zoneinfo import ZoneInfo


class Spite(Exception):
    """What the hostile objects raise: sprag must show it to nobody who did not ask for it."""


class NoRepr:
    """Cannot be shown."""

    def __repr__(self) -> NoReturn:
        raise Spite("no repr")

    __str__ = __repr__


class NoEquality:
    """Cannot be compared."""

    def __eq__(self, other: object) -> NoReturn:
        raise Spite("no equality")

    def __hash__(self) -> int:
        return 1


class Equal:
    """Says that it is whatever it is compared with."""

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 2


class Unhashable:
    """Cannot be the key of anything."""

    def __hash__(self) -> NoReturn:
        raise Spite("no hash")


class Liar:
    """Says that it is a coroutine, a dict, anything."""

    def __init__(self, says: object) -> None:
        self._says = says

    @property
    def __class__(self) -> Any:
        return self._says

    @__class__.setter
    def __class__(self, value: Any) -> None:
        raise Spite


class ShyClass:
    """Does not even say what it is."""

    @property
    def __class__(self) -> Any:
        raise Spite("no class")

    @__class__.setter
    def __class__(self, value: Any) -> None:
        raise Spite


class OtherDict(dict[Any, Any]):
    """A dict with a will of its own."""

    def items(self) -> NoReturn:
        raise Spite("no items")


class OtherStr(str):
    """A str that is no str."""

    __slots__ = ()

    def __str__(self) -> NoReturn:
        raise Spite("no str")


class OtherInt(int):
    """An int that cannot be shown."""

    def __repr__(self) -> NoReturn:
        raise Spite("no repr")


class OtherFloat(float):
    """A float that compares with nothing."""

    def __le__(self, other: object) -> NoReturn:
        raise Spite("no order")

    __lt__ = __gt__ = __ge__ = __le__


class Colour(enum.Enum):
    RED = 1


class Number(enum.IntEnum):
    ONE = 1


class Word(enum.StrEnum):
    HELLO = "hello"


class OtherPath(PurePosixPath):
    """A path of a class of its own."""


class OddZone(tzinfo):
    """A zone that says what it was told to say, or raises."""

    def __init__(self, offset: timedelta | None = None, *, raises: bool = False) -> None:
        self.offset = offset
        self.raises = raises

    def utcoffset(self, _moment: datetime | None) -> timedelta | None:
        if self.raises:
            raise Spite("no offset")
        return self.offset

    def dst(self, _moment: datetime | None) -> timedelta | None:
        return None

    def tzname(self, _moment: datetime | None) -> str | None:
        return None


@dataclass
class Plain:
    x: Any = None
    y: Any = 2


@dataclass(slots=True)
class Slotted:
    x: Any
    y: list[Any] = field(default_factory=list)


@dataclass(frozen=True)
class Frozen:
    x: Any = ()


@dataclass(slots=True)
class Unset:
    """One of its fields was never set."""

    x: Any
    y: int = field(init=False)


@dataclass
class Touchy:
    """Its field cannot be read."""

    x: Any = 1

    def __getattribute__(self, name: str) -> Any:
        if name == "x":
            raise Spite("hands off")
        return object.__getattribute__(self, name)


@dataclass
class ReadOnly:
    """Its field is a property without a setter: what was stored cannot be set again."""

    x: Any = 1

    def __init__(self, x: Any = 1) -> None:
        self.__dict__["_x"] = x


ReadOnly.x = property(lambda self: 5)


def local_dataclass() -> object:
    @dataclass
    class Local:
        x: int = 1

    return Local()


def deep(kind: str, levels: int) -> Any:
    """Containers in one another."""
    value: Any = 1
    for _ in range(levels):
        match kind:
            case "list":
                value = [value]
            case "dict":
                value = {"a": value}
            case "tuple":
                value = (value,)
            case "dataclass":
                value = Plain(value)
            case "frozenset":
                value = frozenset([value])
            case _:
                value = {1: value}
    return value


def circle(kind: str) -> Any:
    """A container that is in itself."""
    if kind == "dict":
        table: dict[Any, Any] = {}
        table["me"] = table
        return table
    if kind == "dataclass":
        plain = Plain()
        plain.x = plain
        return plain
    row: list[Any] = []
    row.append((row,) if kind == "tuple" else row)
    return row


# What cannot be drawn from simpler things, each by a name under which a failure is told.
ODD: dict[str, Callable[[], Any]] = {
    **{
        f"{kind} {levels} deep": partial(deep, kind, levels)
        for kind in ("list", "dict", "tuple", "dataclass", "int keys")
        for levels in (10, 99, 100, 101, 1000, 100_000)
    },
    "set of a tuple 300 deep": lambda: {deep("tuple", 300)},
    "frozensets 99 deep": lambda: deep("frozenset", 99),
    "frozensets 300 deep": lambda: deep("frozenset", 300),
    "key that is a tuple 400 deep": lambda: {deep("tuple", 400): 1},
    **{f"a {kind} in itself": partial(circle, kind)
       for kind in ("list", "dict", "tuple", "dataclass")},
    "10**5000": lambda: 10**5000,
    "-10**5000 in a list": lambda: [-(10**5000)],
    "10**5000 as a key": lambda: {10**5000: 1},
    "10**5000 in a set": lambda: {10**5000},
    "10**4299": lambda: 10**4299,
    "10**400": lambda: 10**400,
    "2**63": lambda: 2**63,
    "nan": lambda: math.nan,
    "inf": lambda: math.inf,
    "-inf in a tuple": lambda: (-math.inf,),
    "-0.0": lambda: -0.0,
    "denormal": lambda: 5e-324,
    "largest float": lambda: sys.float_info.max,
    "lone surrogate": lambda: "\ud800",
    "surrogate in a list": lambda: ["ok", {"k": "\udcff"}],
    "surrogate as a key": lambda: {"\ud800": 1},
    "surrogate in a tuple in a set": lambda: {("\ud800",)},
    "surrogate in a dataclass": lambda: Plain("\ud800"),
    "path with a surrogate": lambda: Path("\udcff"),
    "nul": lambda: "a\0b",
    "nul as a key": lambda: {"\0": "\0"},
    "10 MB of text": lambda: "x" * 10_000_000,
    "a key of 10 MB": lambda: {"x" * 10_000_000: 1},
    "10 MB of text with a surrogate": lambda: "é" * 5_000_000 + "\ud800",
    "1 MiB exactly": lambda: "x" * (1024 * 1024 - 2),
    "1 MiB and one": lambda: "x" * (1024 * 1024 - 1),
    "10 MB of bytes": lambda: bytes(10_000_000),
    "bytearray": lambda: bytearray(b"x"),
    "memoryview": lambda: memoryview(b"x"),
    "looks like a tag": lambda: {"$tuple": [1, 2]},
    "looks like a dict tag": lambda: {"$dict": [["a", 1]]},
    "looks like a dataclass": lambda: {"$dataclass": "os:environ", "fields": {}},
    "an empty tag": lambda: {"$": None},
    "a tag that is not first": lambda: {"a": 1, "$set": 2},
    "OrderedDict": OrderedDict,
    "dict subclass": lambda: OtherDict(a=1),
    "str subclass": lambda: OtherStr("a"),
    "str subclass as a key": lambda: {OtherStr("a"): 1},
    "int subclass": lambda: OtherInt(5),
    "float subclass": lambda: OtherFloat(5),
    "enum": lambda: Colour.RED,
    "int enum": lambda: Number.ONE,
    "str enum": lambda: Word.HELLO,
    "local dataclass": local_dataclass,
    "dataclass with an unset field": lambda: Unset(1),
    "dataclass that is touchy": Touchy,
    "dataclass with a property": ReadOnly,
    "dataclasses": lambda: Plain(Slotted(Frozen({"a": (1, {2})}), [Plain()])),
    "a dataclass itself": lambda: Plain,
    "Decimal of a million digits": lambda: Decimal((0, (7,) * 1_000_000, -5)),
    "Decimal of a large exponent": lambda: Decimal("1e999999"),
    "Decimal nan": lambda: [Decimal("nan"), Decimal("-inf"), Decimal("-0.00")],
    "Decimal snan": lambda: Decimal("sNaN123"),
    "datetime with fold": lambda: datetime(2030, 10, 27, 2, 30, fold=1, tzinfo=UTC),
    "datetime of a zone of its name": lambda: datetime(
        2030, 10, 27, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")
    ),
    "datetime of a named offset": lambda: datetime(
        2030, 1, 1, tzinfo=timezone(timedelta(hours=-5), "EST")
    ),
    "datetime of odd offset": lambda: datetime(
        2030, 1, 1, tzinfo=timezone(timedelta(hours=-5, microseconds=7))
    ),
    "datetime of no offset": lambda: datetime(2030, 1, 1, tzinfo=OddZone()),
    "datetime of a zone that raises": lambda: datetime(2030, 1, 1, tzinfo=OddZone(raises=True)),
    "datetime of a day's offset": lambda: datetime(2030, 1, 1, tzinfo=OddZone(timedelta(days=1))),
    "first and last datetime": lambda: [
        moment.replace(tzinfo=UTC) for moment in (datetime.min, datetime.max)  # noqa: DTZ901
    ],
    "timedelta.max": lambda: [timedelta.max, timedelta.min],
    "Path subclass": lambda: OtherPath("a"),
    "Windows path": lambda: PureWindowsPath("C:\\a"),
    "UUID": lambda: UUID(int=2**128 - 1),
    "generator": lambda: iter(()),
    "lambda": lambda: len,
    "object": object,
    "no repr": NoRepr,
    "no repr in a list": lambda: [NoRepr()],
    "no repr in a set": lambda: {NoRepr()},
    "no repr as a key": lambda: {NoRepr(): 1},
    "no equality": NoEquality,
    "no equality as a key": lambda: {NoEquality(): 1},
    "no hash": Unhashable,
    "always equal": Equal,
    "a liar that is a dict": lambda: Liar(dict),
    "a liar that is a coroutine": lambda: Liar(CoroutineType),
    "a liar that is text": lambda: Liar("text"),
    "no class": ShyClass,
    "no class in a dict": lambda: {"a": [ShyClass()]},
    "NotImplemented": lambda: NotImplemented,
    "complex": lambda: 1j,
    "range": lambda: range(3),
    "an exception": lambda: Spite("as a value"),
    "itself a module": lambda: sys,
}  # fmt: skip

_TEXTS = ("", "a", "$", "$tuple", "\0", "\ud800", "é", "𝄞", "\u2028", "' OR 1=1 --", "%", "*", "\n")


def text(rng: random.Random) -> str:
    """Some text, most of it short."""
    if rng.random() < 0.5:
        return rng.choice(_TEXTS)
    return "".join(rng.choice(_TEXTS) or "x" for _ in range(rng.randrange(8)))


def atom(rng: random.Random) -> Any:
    """A value without others in it."""
    kinds: list[Callable[[], Any]] = [
        lambda: None,
        lambda: True,
        lambda: rng.randrange(-5, 5),
        lambda: rng.choice([2**31, 2**53 + 1, 2**63, -(2**63), 10**30, 10**4300]),
        lambda: rng.choice([0.5, -0.0, 1e308, 5e-324, math.nan, math.inf]),
        lambda: text(rng),
        lambda: text(rng).encode("utf-8", "surrogatepass"),
        lambda: Decimal(rng.choice(["0", "-0", "1e-999", "NaN", "sNaN", "Infinity", "1.10"])),
        lambda: datetime(rng.randrange(1, 9999), 1, 1, fold=rng.randrange(2),
                         tzinfo=rng.choice([None, UTC, ZoneInfo("Europe/Berlin"),
                                            timezone(timedelta(microseconds=-1))])),
        lambda: date(rng.randrange(1, 9999), 12, 31),
        lambda: time(23, 59, fold=rng.randrange(2),
                     tzinfo=rng.choice([None, UTC, ZoneInfo("Europe/Berlin")])),
        lambda: timedelta(rng.randrange(-999_999_999, 999_999_999), 5, 7),
        lambda: UUID(int=rng.randrange(2**128)),
        lambda: Path(text(rng)),
        lambda: Frozen(text(rng)),
        lambda: rng.choice([Colour.RED, Number.ONE, Word.HELLO, OtherStr("x"), object(), len]),
    ]  # fmt: skip
    return rng.choice(kinds)()


def value(rng: random.Random, depth: int = 4) -> Any:
    """A value of any kind, storable or not."""
    if depth == 0 or rng.random() < 0.3:
        return atom(rng)
    entries = [value(rng, depth - 1) for _ in range(rng.randrange(4))]
    kind = rng.randrange(7)
    try:
        match kind:
            case 0:
                return entries
            case 1:
                return tuple(entries)
            case 2:
                return {text(rng): entry for entry in entries}
            case 3:
                return {atom(rng): entry for entry in entries}
            case 4:
                return rng.choice([set, frozenset])(entries)
            case 5:
                return Slotted(entries, [])
            case _:
                return Plain(*entries[:2])
    except (TypeError, ArithmeticError, Spite):  # what has no hash, a signalling NaN among them
        return entries


def identical(one: Any, other: Any) -> bool:
    """Whether a value came back as it went in: of the same types all the way down."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float | Decimal | datetime | time):
        return repr(one) == repr(other)  # with the sign of a zero, with fold and zone
    if isinstance(one, dict):
        return len(one) == len(other) and all(
            identical(k, m) and identical(v, w)
            for (k, v), (m, w) in zip(one.items(), other.items(), strict=True)
        )
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(identical, one, other))
    if isinstance(one, set | frozenset):
        left, right = (sorted(some, key=lambda x: (type(x).__name__, repr(x)))
                       for some in (one, other))  # fmt: skip
        return len(left) == len(right) and all(map(identical, left, right))
    names = getattr(type(one), "__dataclass_fields__", None)
    if names is not None:
        return all(identical(getattr(one, name), getattr(other, name)) for name in names)
    return bool(one == other)
