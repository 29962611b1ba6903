from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from _fuzz.arguments import ENDLESS, commands, judged, line
from sprag.cli import main
from sprag.cli.exits import MEANINGS
from sprag.queue import Job, QueueService
from tests.cli import terminal
from tests.support import DEADLINE, examples, some, unmeasured

WORDS = (
    "", "-", "-1", "0", "9" * 30, "9" * 5000, "9" * 400, "nan", "٣", "²", "{", "[" * 2000, "\udcff",
    "\x1b[2J\n", "x" * 10_000, "' OR 1=1 --", "%", "*", "????", "0001-01-01",
    "9999-12-31", "9" * 300 + "w", "../../x", "/dev/null",
)  # fmt: skip
# What a command needs for the rest of its line to be looked at.
NEEDED: dict[str, tuple[str, ...]] = {
    "show": ("0000",), "enqueue": ("work", "1"), "backup": ("copy.db",), "watch": ("0000",),
    "work": ("no.such:Queue",), "run": ("no.such:app",), "prune": ("--keep", "9", "-y"),
    "cancel": ("0000",), "requeue": ("0000",), "recover": ("--yes",),
}  # fmt: skip


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Job]]:
    """A file with some jobs in it, in a folder of its own."""
    database = tmp_path_factory.mktemp("shared") / "jobs.db"
    queue = QueueService(name="work", database=database)
    jobs = queue.enqueue_many([{"n": n} for n in range(5)], label="some job")
    queue.cancel(jobs[0].id)
    queue.stop()
    return database, jobs


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SPRAG_DATABASE", raising=False)
    monkeypatch.delenv("COLUMNS", raising=False)
    return tmp_path


# ---------------------------------------------------------------- arguments


def parameters() -> Iterator[tuple[str, str | None]]:
    """Every command with each of its options that takes a value; None for its arguments."""
    for name, command in commands().items():
        yield name, None
        for parameter in command.params:
            if isinstance(parameter, click.Option) and not parameter.is_flag:
                yield name, parameter.opts[0]


@pytest.mark.parametrize(("name", "option"), list(parameters()))
@pytest.mark.usefixtures("here")
def test_no_value_ends_in_a_traceback(
    shared: tuple[Path, list[Job]], name: str, option: str | None
) -> None:
    database, _ = shared
    # What would go on and on is not asked to.
    more = () if name not in ENDLESS else ("no.such.module:Queue",)
    wrong: list[str] = []
    for word in WORDS:
        if option is None:
            words = [word, *more] if name in ENDLESS else [word] * len(NEEDED.get(name, ("",)))
        else:
            words = [*NEEDED.get(name, ()), option, word]
        given = [] if option == "--database" else ["-d", str(database)]
        if option == "--database" and word in ("/dev/null", "copy.db"):
            continue
        for as_json in ([], ["--json"]):
            wrong += judged([*given, name, *as_json, *words], b"1")
    assert wrong == []


@settings(
    max_examples=examples(200), deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(st.randoms(), st.sampled_from([b"", b"1", b"[1]\n2", b"\xff", b"\0"]),
       st.sampled_from(["utf-8", "ascii", "latin-1"]))  # fmt: skip
def test_no_command_line_ends_in_a_traceback(
    shared: tuple[Path, list[Job]], here: Path, rng: random.Random, stdin: bytes, encoding: str
) -> None:
    database, jobs = shared
    words = line(rng, database, [job.id for job in jobs])
    if not set(words) & set(ENDLESS):
        assert judged(words, stdin, encoding) == []


# ---------------------------------------------------------------- job ids

IDS = ["*", "?", "%", "_", "[0-9a-f]", "' OR 1=1 --", "'; DROP TABLE job; --", "\0", "٣", "\udcff",
       "0" * 100_000, "-"]  # fmt: skip


@pytest.mark.parametrize("command", ["show", "cancel", "requeue", "watch"])
@pytest.mark.usefixtures("here")
def test_a_reference_is_no_pattern(
    shared: tuple[Path, list[Job]], capsys: pytest.CaptureFixture[str], command: str
) -> None:
    database, jobs = shared
    known = jobs[1].id
    for odd in IDS:
        for reference in (odd * 4, known[:4] + odd, known + odd, odd + known):
            assert main(["-d", str(database), command, "--", reference]) in (1, 2)
            said = capsys.readouterr()
            assert known not in said.out
            assert "Traceback" not in said.err
    assert main(["-d", str(database), "show", known]) == 0
    assert known in capsys.readouterr().out


# ---------------------------------------------------------------- environments


def program(
    *words: str | bytes, cwd: Path, before: Any = None, **changes: str | None
) -> tuple[int, str, str]:
    """The program in a process of its own: exit code, output, errors."""
    env = {name: value for name, value in unmeasured().items() if name not in ("COLUMNS", "TERM")}
    env |= {name: value for name, value in changes.items() if value is not None}
    for name, value in changes.items():
        if value is None:
            env.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-m", "sprag", *words], cwd=cwd, env=env, stdin=subprocess.DEVNULL,
        capture_output=True, timeout=DEADLINE, check=False, preexec_fn=before,
    )  # fmt: skip
    return (
        done.returncode,
        done.stdout.decode(errors="replace"),
        done.stderr.decode(errors="replace"),
    )


def closed(*numbers: int) -> Any:
    """To be called in the child, before the program: without these descriptors."""

    def close() -> None:
        for number in numbers:
            os.close(number)

    return close


ENVIRONMENTS: dict[str, dict[str, Any]] = {
    "ascii": {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"},
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "no variables": {"HOME": None, "TERM": None, "PATH": None, "LANG": None, "USER": None},
    "COLUMNS=1": {"COLUMNS": "1"},
    "COLUMNS=0": {"COLUMNS": "0", "LINES": "0"},
    "COLUMNS=-5": {"COLUMNS": "-5"},
    "COLUMNS=many": {"COLUMNS": "9" * 30},
    "COLUMNS=squared": {"COLUMNS": "²"},
    "TERM=dumb": {"TERM": "dumb", "FORCE_COLOR": "1"},
    "TERM=nonsense": {"TERM": "\x1b[2J", "NO_COLOR": ""},
    "unbuffered": {"PYTHONUNBUFFERED": "1"},
    "odd zone": {"TZ": "Nowhere/Nothing"},
    "no stdin": {"before": closed(0)},
    "no stdout": {"before": closed(1)},
    "no stderr": {"before": closed(2)},
    "no stream": {"before": closed(0, 1, 2)},
}


SIZES = [name for name in ENVIRONMENTS if name.startswith("COLUMNS")]
STREAMS = [name for name in ENVIRONMENTS if name.startswith("no st")]


@pytest.mark.parametrize(
    ("command", "environments"),
    [
        (("list",), list(ENVIRONMENTS)),
        (("show",), SIZES),
        (("counts", "--json"), STREAMS),
        (("prune", "--keep", "99"), STREAMS),
        (("enqueue", "work", "-"), STREAMS),
    ],
)
def test_no_environment_ends_in_a_traceback(
    shared: tuple[Path, list[Job]],
    tmp_path: Path,
    command: tuple[str, ...],
    environments: list[str],
) -> None:
    database, jobs = shared
    words = ["-d", str(database), *command, *([jobs[2].id] if command == ("show",) else [])]

    def end(name: str) -> tuple[str, tuple[int, str, str]]:
        return name, program(*words, cwd=tmp_path, **ENVIRONMENTS[name])

    with ThreadPoolExecutor(2) as threads:
        for name, (code, _out, err) in threads.map(end, some(environments, 2)):
            assert code in MEANINGS, (name, err)
            assert "Traceback" not in err, (name, err)
            # Nobody can be asked: `prune` says what to add, and there is no JSON in no stdin.
            assert code == (2 if command[0] in ("prune", "enqueue") else 0), (name, err)


NO_UTF_8 = [
    (b"-d", b"\xff.db", b"list"), (b"list", b"-q", b"\xff"), (b"show", b"\xff\xfe\xfd\xfc"),
    (b"enqueue", b"\xff", b"1"), (b"enqueue", b"work", b'"\xff"'), (b"backup", b"\xff.db"),
    (b"enqueue", b"work", b"1", b"--label", b"\xff"), (b"prune", b"-q", b"\xff", b"--keep=1"),
    (b"work", b"\xff"), (b"counts", b"-q", b"\xff"), (b"\xff",), (b"--\xff",),
]  # fmt: skip


def test_arguments_that_are_no_utf_8_are_refused(
    shared: tuple[Path, list[Job]], tmp_path: Path
) -> None:
    database, _ = shared
    lines = [map(os.fsdecode, words) for words in NO_UTF_8]
    ended = terminal.each(*lines, cwd=tmp_path, SPRAG_DATABASE=str(database))
    for words, done in zip(NO_UTF_8, ended, strict=True):
        assert done.returncode in (0, 1, 2, 3), words
        assert "Traceback" not in done.stderr, words
        assert done.returncode == 0 or done.stderr.startswith("sprag: "), words
        assert done.returncode == 0 or done.stdout == "", words


def test_a_folder_that_is_gone_ends_in_a_sentence(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()

    def leave() -> None:
        gone.rmdir()

    for words in (["list"], ["enqueue", "work", "1"], ["check", "--json"], ["work", "a:b"]):
        gone.mkdir(exist_ok=True)
        code, _out, err = program(*words, cwd=gone, before=leave)
        assert code in (1, 2, 3)
        assert "Traceback" not in err
        assert err


# A short page ends with a remark on standard error, which comes after the page.
COMMANDS_THAT_PRINT = [
    ("list", "--json"), ("list",), ("list", "--limit", "2"), ("check",), ("--help",),
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS_THAT_PRINT)
def test_a_reader_that_is_gone_ends_it_quietly(
    shared: tuple[Path, list[Job]], command: tuple[str, ...]
) -> None:
    database, _ = shared
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as broken:
        done = subprocess.run(
            [sys.executable, "-m", "sprag", *(() if "--help" in command else ("-d", str(database))),
             *command], stdout=broken, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
            env={**unmeasured(), "PYTHONUNBUFFERED": ""}, timeout=DEADLINE, check=False,
        )  # fmt: skip
    assert done.returncode == 141, done.stderr
    assert done.stderr == b""


def test_json_is_strict_whatever_the_span(
    shared: tuple[Path, list[Job]], capsys: pytest.CaptureFixture[str]
) -> None:
    database, _ = shared
    code = main(["-d", str(database), "counts", "--json", "--within", "9" * 309 + "w"])
    said = capsys.readouterr().out
    assert code == 2 or json.loads(said, parse_constant=pytest.fail)
