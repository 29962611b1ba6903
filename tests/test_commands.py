"""Every command that the README and the documents name runs, each in a short form."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tomllib
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from sprag.cli.program import program
from sprag.queue import Every, QueueService
from tests.support import (
    DEADLINE,
    PATIENCE,
    Gate,
    finished,
    for_tool,
    queue_class,
    sql,
    unmeasured,
    wait_until,
)

ROOT = Path(__file__).resolve().parent.parent
ANY_SITE = Path(__file__).with_name("programs") / "any_site.py"
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@dataclass(frozen=True)
class Short:
    """How a documented command runs in seconds: as it stands, with these words after it."""

    words: tuple[str, ...] = ()
    """FOLDER is a folder of the test's own. The last of two equal options counts."""
    until: str = ""
    """It goes on by itself. Once it has printed this, it is sent SIGTERM."""
    code: int = 0


TOOLS = {
    "bench.py": Short(("--smoke", "--here", "--dir", "FOLDER")),
    "demo.py": Short(
        ("--port", "0", "--no-browser", "--output", "FOLDER"), r"http://\S+",
        128 + signal.SIGTERM,
    ),
    "demo.py --terminal": Short(("--output", "FOLDER/out")),
    "faults.py": Short(("--here", "--part", "1/500")),
    "fuzz.py": Short(("--here", "--minutes", "0.03", "--dir", "FOLDER")),
    "pictures.py": Short(("--quick", "--output", "FOLDER")),
    "power.py": Short(
        ("--here", "--minutes", "0.02", "--points", "4", "--processes", "1", "--dir", "FOLDER")
    ),
    "reference.py": Short(("--output", "FOLDER/reference.md")),
    "schedules.py": Short(("--here", "--match", "^cancel against retry$")),
    "soak.py": Short(("--here", "--minutes", "0.05", "--dir", "FOLDER")),
    "test.py": Short(("--only", "format")),
    "torture.py": Short(
        ("--here", "--minutes", "0.02", "--kills", "1", "--processes", "2", "--dir", "FOLDER")
    ),
}  # fmt: skip
"""The programs in tools/, with a word after the name if that makes another program of it."""

SERVES = r"http://\S+|process \d+"
COMMANDS = {
    "backup": Short(("FOLDER/copy.db",)),
    "cancel": Short(("QUEUED",)),
    "check": Short(),
    "counts": Short(),
    "enqueue": Short(("counting", "1")),
    "list": Short(),
    "pause": Short(("counting",)),
    "prune": Short(("--keep", "9", "--yes")),
    "recover": Short(("--yes",)),
    "requeue": Short(("FAILED",)),
    "resume": Short(("counting",)),
    "run": Short(("main:app", "--port", "0"), SERVES),
    "run-now": Short(("QUEUED",)),
    "schedules": Short(),
    "show": Short(("COMPLETED",)),
    "watch": Short(("COMPLETED",)),
    "work": Short(("queues:ImageQueue",), SERVES),
}
"""The commands of `sprag`. An argument is for a document that names the command only; options
come after whatever the document says."""

ELSEWHERE = {
    "gunicorn": "tests/recipes/test_processes.py",
    "uvicorn": "tests/recipes/test_processes.py",
}
"""Programs of others, and the tests that run them."""

NO_PROGRAM = {"cd", "git"}


# ---------------------------------------------------------------- what the documents name


OURS = re.compile(r"(?:\w+=\S+ )*(?:(?:python3 )?tools/\w+\.py\b|sprag (?:-\S+ \S+ )*[a-z])")


def named(text: str) -> Iterator[str]:
    """The command lines in a document, without comments: of its terminal examples everything, of
    other code what is ours."""
    fence: str | None = None
    paragraphs: list[str] = []
    for line in text.replace("\\\n", "").splitlines():
        if line.startswith("```"):
            fence = line.removeprefix("```").strip() if fence is None else None
        elif fence in ("console", "sh", "shell", "bash"):
            if words := shlex.split(line, comments=True):
                yield shlex.join(words[words[0] == "$" :])
        elif fence is None and line.startswith("    ") and OURS.match(line.strip()):
            yield shlex.join(shlex.split(line, comments=True))
        elif fence is None:
            paragraphs.append(line)
    for span in re.findall(r"`([^`]+)`", "\n".join(paragraphs)):
        if OURS.match(span) or span.startswith("pip install "):
            yield shlex.join(shlex.split(span, comments=True))


NAMED = sorted(
    {
        line.replace("python3 ", "")
        for path in DOCUMENTS
        for line in named(path.read_text(encoding="utf-8"))
    }
)


def split(line: str) -> tuple[dict[str, str], list[str]]:
    """The variables that a command line sets, and its words."""
    words = shlex.split(line)
    variables = {}
    while "=" in words[0]:
        name, _, variables[name] = words.pop(0).partition("=")
    return variables, words


def tool_of(words: list[str]) -> str | None:
    """The program in tools/ that a command line runs."""
    name = words[0].removeprefix("tools/")
    if name == words[0]:
        return None
    both = f"{name} {words[1]}" if len(words) > 1 else ""
    return both if both in TOOLS else name


def command_of(words: list[str]) -> str | None:
    """The command of `sprag` that a command line runs."""
    return next((word for word in words[1:] if word in program.commands), None)


# ---------------------------------------------------------------- the short forms


def is_run(line: str) -> bool:
    """Whether a command line is tried: it is ours, and not the short form of one that is tried."""
    _, words = split(line)
    tool = tool_of(words)
    if tool is None:
        return words[0] == "sprag"
    own = words[1:]
    is_short_form = own == list(TOOLS[tool].words[: len(own)])
    return not own or not is_short_form or f"tools/{tool}" not in NAMED


RUN = [line for line in NAMED if is_run(line)]


def test_there_is_a_short_form_of_whatever_the_documents_name() -> None:
    unknown = []
    for line in NAMED:
        _, words = split(line)
        if words[0].startswith("tools/"):
            known = tool_of(words) in TOOLS
        elif words[0] == "sprag":
            known = command_of(words) in COMMANDS
        elif words[0] == "pip":
            known = all(map(can_be_installed, words[2:]))
        else:
            known = words[0] in NO_PROGRAM | set(ELSEWHERE)
        if not known:
            unknown.append(line)
    assert unknown == [], "give these an entry in the tables above, or mend the document"
    assert {tool for line in NAMED if (tool := tool_of(split(line)[1]))} <= set(TOOLS)


def test_there_is_a_short_form_of_every_tool_and_every_command() -> None:
    programs = {path.name for path in (ROOT / "tools").glob("[a-z]*.py")}
    assert programs - {name.partition(" ")[0] for name in TOOLS} == set()
    assert set(program.commands) == set(COMMANDS)


def test_programs_of_others_are_run_by_the_tests_that_are_named() -> None:
    for name, path in ELSEWHERE.items():
        assert f'"{name}"' in (ROOT / path).read_text(encoding="utf-8")


def can_be_installed(word: str) -> bool:
    """Whether `pip install` would find it: ourselves, with extras that are there, or what the
    tests install too."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project = pyproject["project"]
    name, _, extras = word.rstrip("]").partition("[")
    if name in (project["name"], "."):
        return set(filter(None, extras.split(","))) <= set(project["optional-dependencies"])
    groups = pyproject["dependency-groups"].values()
    return any(re.match(rf"{re.escape(word)}\b", other) for group in groups for other in group)


@pytest.mark.parametrize("line", RUN)
def test_a_documented_command_runs(tmp_path: Path, line: str) -> None:
    variables, words = split(line)
    tool = tool_of(words)
    if tool is not None:
        run_tool(TOOLS[tool], words, tmp_path, variables)
    else:
        name = command_of(words)
        assert name is not None
        run_command(COMMANDS[name], name, words, tmp_path)


def run_tool(short: Short, words: list[str], folder: Path, variables: dict[str, str]) -> None:
    script = str(ROOT / words[0])
    if "--" in words:
        # This very run holds the lock of all others, so pytest is asked by itself.
        given = words[words.index("--") + 1 :]
        short, script = Short(("-p", "no:xdist", "--collect-only", "-q")), "-m"
        words = ["", "pytest", *given]
    if "FOLDER" in words:
        Image.effect_noise((64, 48), 50).save(folder / "image.png")
    arguments = placed([*words[1:], *short.words], FOLDER=str(folder))
    inherited = unmeasured() if script == "-m" else for_tool(unmeasured())
    env = {**inherited, **variables, "SPRAG_TOOLS_HERE": "1"}
    run(short, [sys.executable, script, *arguments], ROOT, env)


def run_command(short: Short, name: str, words: list[str], folder: Path) -> None:
    shutil.copytree(ROOT / "examples", folder / "examples")
    own = words[words.index(name) + 1 :]
    options = [word.startswith("-") for word in short.words] + [True]
    arguments = short.words[: options.index(True)]
    if any(not word.startswith("-") for word in own):
        arguments = ()
    for target in [*own, *arguments]:
        module, _, attribute = target.partition(":")
        if attribute.isidentifier() and not target.startswith("examples."):
            text = ANY_SITE.read_text(encoding="utf-8")
            found = attribute if f"\n{attribute} = " in text else "ImageQueue"
            text += "" if found == attribute else f"\n{attribute} = {found}\n"
            (folder / f"{module}.py").write_text(text, encoding="utf-8")
    database = folder / database_of(words)
    jobs = make_jobs(database) if short.until == "" else {}
    if "N" in words:
        # Nobody can judge this owner: its number is what `sprag recover` needs then.
        sql(
            database,
            "INSERT INTO owner (id, token, pid, host, started_at) "
            "VALUES (9, 'gone', 1, 'elsewhere', 0)",
        )
    jobs |= {
        "JOB": jobs.get(
            {"cancel": "QUEUED", "requeue": "FAILED", "run-now": "QUEUED"}.get(name, "COMPLETED"),
            "",
        )
    }
    line = placed([*words, *arguments, *short.words[options.index(True) :]], **jobs, FOLDER=".")
    env = {name: value for name, value in unmeasured().items() if name != "SPRAG_DATABASE"}
    if short.until == "" and "-d" not in words and "--database" not in words:
        env["SPRAG_DATABASE"] = str(database)
    run(short, [sys.executable, "-m", *line], folder, env)


def database_of(words: list[str]) -> str:
    named = (name for option, name in pairwise(words) if option in ("-d", "--database"))
    return next(named, "jobs.db")


def make_jobs(database: Path) -> dict[str, str]:
    """A file with a job of each sort, and their ids."""
    gate = Gate()

    def handler(queue: QueueService, item: object) -> object:
        if item == "held":
            gate.hold()
        if item == "bad":
            raise ValueError(item)
        return item

    daily = Every(days=1, name="daily")
    queue = queue_class(handler, "counting")(database=database, worker_count=1, schedules=[daily])
    with queue:
        wait_until(lambda: sql(database, "SELECT * FROM schedule") != [])
        ended = finished(queue, queue.enqueue("good"), queue.enqueue("bad"))
        held = queue.enqueue("held")
        gate.wait_held()
        queued = queue.enqueue("queued", delay=3600)
        queue.cancel(held.id)
        gate.open()
        finished(queue, held)
        queue.stop()
    completed, failed = (job.id for job in ended)
    return {"COMPLETED": completed, "FAILED": failed, "QUEUED": queued.id, "N": "9"}


def placed(words: list[str], **values: str) -> list[str]:
    """The words, each placeholder exchanged for its value."""
    pattern = re.compile("|".join(rf"\b{name}\b" for name in values))
    return [pattern.sub(lambda found: values[found[0]], word) for word in words]


def answers(url: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(url, timeout=DEADLINE):
        return True
    return False


def run(short: Short, command: list[str], folder: Path, env: dict[str, str]) -> None:
    with subprocess.Popen(
        command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            said = ""
            if short.until:
                for line in process.stdout:
                    said += line
                    if found := re.search(short.until, line):
                        if found[0].startswith("http"):
                            wait_until(partial(answers, found[0]))
                        process.terminate()
                        break
            said += process.communicate(timeout=PATIENCE)[0]
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == short.code, f"{shlex.join(command)}\n{said}"
    assert "Traceback" not in said, said
