"""Command lines drawn from the program's own description of its commands, so that an option that
is new is tried as well."""

from __future__ import annotations

import contextlib
import io
import json
import random
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NoReturn

import click

from sprag.cli import main
from sprag.cli.exits import MEANINGS
from sprag.cli.program import program

from .sight import sight
from .specimens import lay, specimens

_ROUNDS: Final = 25
# Those that go on until a signal comes are left to processes of their own.
ENDLESS: Final = ("watch", "work", "run")

_WORDS: Final = (
    "", "-", "--", "-1", "0", "1", "5", "10" * 30, "9" * 400, "1e5", "nan", "inf", "-inf", "0x10",
    "٣", "²", "1_000", "true", "null", "{", "[1, 2", '"text"', '{"$tuple": [1]}', "[" * 2000,
    "9" * 5000, '"\\ud800"', "NaN", "\udcff", "\udcff\udcfe.db", "é", "𝄞", "\x1b[2J", "a\nb", " ",
    "\u202e", "x" * 10_000, "work", "other", "queued", "failed", "running", "sprag", "sprag:x",
    "2030-01-01", "2030-12-31T23:59", "0001-01-01", "9999-12-31T23:59:59", "99999999999999999999",
    "1h30m", "7d", "9" * 300 + "w", "-5m", "1.5.5s", "' OR 1=1 --", "%", "*", "_", "????",
    "0000", "abcd", "0" * 32, "g" * 32, "0" * 33, "../../x", "/dev/null", "/", ".", "~",
    "no.such.module:Queue", "os:path", "sprag.queue:QueueService", "a:b:c", ":", "sys",
    "--json", "-h", "-vvv", "-d", "--database=", "--queue", "--status=bogus", "--unknown",
)  # fmt: skip


def commands() -> dict[str, click.Command]:
    """The program's commands, by name."""
    return dict(program.commands)


def word(rng: random.Random, ids: list[str]) -> str:
    """An argument of any kind."""
    if ids and rng.random() < 0.25:
        id_ = rng.choice(ids)
        return rng.choice([id_, id_[:13], id_[:4], id_.upper(), id_[:8] + "*", id_ + "0"])
    return rng.choice(_WORDS)


def line(rng: random.Random, database: Path, ids: list[str]) -> list[str]:
    """A command line: of options that there are, some of them with values that make no sense."""
    known = commands()
    name = rng.choice(sorted(known))
    words: list[str] = []
    odd = rng.choice([0.0, 0.15, 0.5, 1.0])
    for parameter in known[name].params:
        if isinstance(parameter, click.Argument):
            count = rng.choice([1, 1, 1, 1, 0, 2]) if rng.random() < odd else 1
            words += [_fitting(rng, parameter, ids, odd) for _ in range(count)]
        elif rng.random() < 0.25 and parameter.name not in ("help", "database"):
            words.append(rng.choice([*parameter.opts, *parameter.secondary_opts]))
            if not getattr(parameter, "is_flag", False) or rng.random() < odd / 4:
                words.append(_fitting(rng, parameter, ids, odd))
    if rng.random() < odd / 4:
        rng.shuffle(words)
    first = ["-d", word(rng, [])] if rng.random() < odd / 4 else ["-d", str(database)]
    return [*first, name, *words]


def _fitting(rng: random.Random, parameter: click.Parameter, ids: list[str], odd: float) -> str:
    """A value for a parameter: one that it takes, or any."""
    if rng.random() < odd:
        return word(rng, ids)
    kind: Any = parameter.type
    if isinstance(kind, click.Choice):
        return str(rng.choice(list(kind.choices)))
    if isinstance(kind, click.IntRange | type(click.INT)):
        return str(rng.choice([0, 1, 5, 20, 2**31, 2**62, 2**63, 10**30, 10**4000]))
    match getattr(getattr(kind, "func", None), "__name__", parameter.name):
        case "span":
            return rng.choice(["0", "5", "90s", "7d", "1h30m", "9" * 11, "9" * 309 + "w"])
        case "moment":
            return rng.choice(["2030-01-01", "2030-12-31T23:59", "9" * 11, "9999-12-31"])
        case "job":
            return rng.choice([rng.choice(ids or ["0000"]), rng.choice(ids or ["abcd"])[:9]])
        case "queue" | "queues":
            return rng.choice(["work", "other", "new"])
        case "item":
            return rng.choice(["1", '{"a": [1]}', "-", '{"$tuple": [1]}', "9" * 5000])
        case _:
            return word(rng, ids)


class _Standard(io.TextIOWrapper):
    """A stream of a program, with a binary one behind it."""

    def __init__(self, content: bytes = b"", encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(content), encoding=encoding, write_through=True)

    @property
    def text(self) -> str:
        self.flush()
        content = self.buffer
        assert isinstance(content, io.BytesIO)  # noqa: S101 - made above
        return content.getvalue().decode(self.encoding, "replace")


@contextlib.contextmanager
def standing(stdin: bytes, encoding: str) -> Iterator[tuple[_Standard, _Standard]]:
    """Other standard streams, for the block."""
    before = sys.stdin, sys.stdout, sys.stderr
    out, err = _Standard(encoding=encoding), _Standard(encoding=encoding)
    sys.stdin, sys.stdout, sys.stderr = _Standard(stdin), out, err
    try:
        yield out, err
    finally:
        sys.stdin, sys.stdout, sys.stderr = before


def judged(words: list[str], stdin: bytes = b"", encoding: str = "utf-8") -> list[str]:
    """Run the program here with these arguments; what is wrong with how it ended."""
    with standing(stdin, encoding) as (out, err):
        try:
            code = main(words)
        except BaseException as error:  # noqa: BLE001 - what must not come is what is looked for
            trace = "".join(traceback.format_tb(error.__traceback__)[-3:])
            return [f"sprag {words!r:.300} raised {error!r:.200}\n{trace}"]
    problems = []
    if code not in MEANINGS:
        problems.append(f"sprag {words!r:.300} ended with {code}")
    if "Traceback (most recent call last)" in err.text:
        problems.append(f"sprag {words!r:.300} printed a traceback: {err.text[-300:]}")
    if code == 0 and _wants_json(words) and "-h" not in words and "--help" not in words:
        try:
            [json.loads(text, parse_constant=_refused) for text in out.text.splitlines()]
        except ValueError as error:
            problems.append(f"sprag {words!r:.300} printed no JSON: {error}")
    if code and not (err.text + out.text).strip():
        problems.append(f"sprag {words!r:.300} ended with {code} and said nothing")
    return problems


def _wants_json(words: list[str]) -> bool:
    """Whether `--json` is an option there, and neither another's value nor behind a `--`."""
    takes_value = {
        name
        for command in (program, *commands().values())
        for option in command.params
        if isinstance(option, click.Option) and not option.is_flag
        for name in (*option.opts, *option.secondary_opts)
    }
    options = words[: words.index("--")] if "--" in words else words
    return any(
        word == "--json" and options[at - 1] not in takes_value for at, word in enumerate(options)
    )


def _refused(constant: str) -> NoReturn:
    raise ValueError(constant)


def attempt(rng: random.Random, room: Path) -> list[str]:
    """Some dozens of command lines on one file; what is wrong with how they ended."""
    database = lay(specimens()[rng.choice(["open", "closed"])], room / "here")
    ids = _ids(database)
    problems: list[str] = []
    with contextlib.chdir(room):
        for _ in range(_ROUNDS):
            words = line(rng, database, ids)
            if _endless(words):
                continue
            stdin = rng.choice([b"", b"1", b"[1]\n2\n", b"\xff", b'"x"' * 3, b"\0"])
            problems += judged(words, stdin, rng.choice(["utf-8", "ascii", "latin-1", "cp437"]))
    return problems


def _endless(words: list[str]) -> bool:
    return any(name in words for name in ENDLESS)


def _ids(database: Path) -> list[str]:
    return sorted(sight(database).jobs)
