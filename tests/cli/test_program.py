from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sprag.cli.exits import MEANINGS
from tests.cli import terminal
from tests.cli.conftest import Ended, Sprag
from tests.conftest import MakeQueue
from tests.support import DEADLINE, said

PROGRAMS = Path(__file__).with_name("programs")

COMMANDS = [
    "list", "show", "watch", "counts", "enqueue", "cancel", "requeue", "work", "run", "recover",
    "check", "backup", "prune",
]  # fmt: skip


def test_help_shows_every_command_by_theme_and_every_exit_code(sprag: Sprag) -> None:
    answer = sprag("--help")
    assert answer.code == 0
    for words in ("Inspect:", "Change jobs:", "Run jobs:", "Maintain the file:", "SPRAG_DATABASE"):
        assert words in answer.out
    shown = {line.split()[0] for line in answer.out.splitlines() if line.startswith("  ")}
    assert shown.issuperset(COMMANDS)
    assert shown.issuperset(str(code) for code in MEANINGS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_and_its_json(sprag: Sprag, command: str) -> None:
    answer = sprag(command, "--help")
    assert answer.code == 0
    assert "--database" in answer.out
    assert "JSON" in answer.out
    assert max(map(len, answer.out.splitlines())) <= 80


def test_no_command_is_answered_with_the_help_as_wrong_usage(sprag: Sprag) -> None:
    answer = sprag()
    assert (answer.code, answer.out) == (2, "")
    assert "Usage: sprag" in answer.err


@pytest.mark.parametrize(
    "arguments",
    [("nonsense",), ("list", "--nonsense"), ("list", "--limit=0"), ("show",), ("show", "xyz")],
)
def test_wrong_usage_ends_with_2_in_words_and_in_json(
    sprag: Sprag, arguments: tuple[str, ...]
) -> None:
    answer = sprag(*arguments)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("sprag: ")
    assert "Traceback" not in answer.err
    error = sprag(*arguments, "--json").error
    assert (error["kind"], error["exit_code"]) == ("usage", 2)


def test_the_version_is_printed(sprag: Sprag) -> None:
    answer = sprag("--version")
    assert answer.code == 0
    assert answer.out.startswith("sprag ")
    assert "SQLite 3." in answer.out


def test_database_and_json_may_stand_on_both_sides_of_the_command(
    sprag: Sprag, ended: Ended, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPRAG_DATABASE", "/nowhere")
    for arguments in (
        ["-d", database, "--json", "list"],
        ["list", "-d", database, "--json"],
        ["-d", "/nowhere/else", "list", "--database", database, "--json"],
    ):
        assert len(sprag(*arguments).document["jobs"]) == 5


def test_the_default_database_is_sprag_db_here(
    sprag: Sprag, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPRAG_DATABASE", "")
    monkeypatch.chdir(tmp_path)
    assert sprag("enqueue", "q", "1").code == 0
    assert (tmp_path / "sprag.db").is_file()


def test_it_is_a_module_too_and_a_script() -> None:
    module = terminal.run("--version")
    assert (module.returncode, module.stderr) == (0, "")
    script = Path(sys.executable).with_name("sprag")
    if not script.exists() and "SPRAG_TEST_TREE" in os.environ:
        pytest.skip("the tree is not installed, so it has no script")
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == module.stdout


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_without_the_extra_it_says_what_to_install(missing: str) -> None:
    done = without(missing, "list")
    assert done.returncode == 4
    assert "pip install 'sprag-queue[cli]'" in done.stderr
    assert "Traceback" not in done.stderr
    error = json.loads(without(missing, "list", "--json").stderr)["error"]
    assert (error["kind"], error["exit_code"]) == ("extra_missing", 4)


def test_a_missing_module_that_is_not_of_the_extra_is_no_reason_to_install_it() -> None:
    assert "ModuleNotFoundError" in without("apsw", "list").stderr


def test_the_queue_needs_neither_the_program_nor_what_that_needs() -> None:
    loaded = said("import sys, sprag.queue; print(*sys.modules)").split()
    assert not {name.partition(".")[0] for name in loaded} & {"click", "rich"}
    assert not [name for name in loaded if name.startswith("sprag.cli")]


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_leaves_early_ends_it_quietly(
    database: Path, make_queue: MakeQueue, unbuffered: str
) -> None:
    queue = make_queue(name="many")
    queue.enqueue_many(["x" * 100] * 1000)
    queue.stop()
    command = [*terminal.PROGRAM, "list", "-n", "1000", "-d", str(database)]
    for form in ([], ["--json"]):
        with subprocess.Popen(
            [*command, *form], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=terminal.environment(PYTHONUNBUFFERED=unbuffered),
        ) as process:  # fmt: skip
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.read(10)
            process.stdout.close()
            assert process.stderr.read() == b""
            assert process.wait(DEADLINE) == 141


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&-"])
def test_streams_that_are_closed_from_the_start_do_no_harm(
    ended: Ended, database: Path, closed: str
) -> None:
    done = subprocess.run(
        f"exec '{sys.executable}' -m sprag list -d '{database}' {closed}",
        shell=True, capture_output=True, text=True, env=terminal.environment(), check=False,
        timeout=DEADLINE,
    )  # fmt: skip
    notice = terminal.run("list", "-d", database).stderr
    assert "no process runs this queue" in notice
    assert (done.returncode, done.stderr) == (0, "" if "2>&-" in closed else notice)
    assert terminal.run("check", "-d", database).returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_output_that_cannot_be_written_is_a_failure(ended: Ended, database: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*terminal.PROGRAM, "list", "-d", database], stdout=full, stderr=subprocess.PIPE,
            text=True, env=terminal.environment(), check=False, timeout=DEADLINE,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("sprag: ")
    assert "Traceback" not in done.stderr


def test_an_encoding_without_its_characters_is_no_reason_to_fail(
    ended: Ended, database: Path
) -> None:
    done = terminal.run("list", "-d", database, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert done.returncode == 0
    assert r"\xdcbung 1" in done.stdout


def without(missing: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`sprag` with these arguments, where a module is not installed."""
    command = [sys.executable, str(PROGRAMS / "without.py"), missing, *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env=terminal.environment(), check=False,
        timeout=DEADLINE,
    )  # fmt: skip
