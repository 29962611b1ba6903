"""The README keeps its word: its examples run, its commands, options and links exist."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from PIL import Image

from sprag.queue import QueueService
from sprag.queue.options import OPTIONS
from tests.support import DEADLINE, unmeasured

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS: list[tuple[str, str]] = re.findall(
    r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL
)
COMMANDS = [
    line.removeprefix("$ ")
    for language, text in BLOCKS
    if language == "console"
    for line in text.splitlines()
]


def run(folder: Path, *command: str, **variables: str) -> str:
    """What a command that must succeed says on its standard output."""
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env={**os.environ, **variables},
        capture_output=True, text=True, timeout=DEADLINE, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def run_examples(folder: Path) -> list[tuple[str, str]]:
    """Every Python example as it stands, in order and in one folder, each in a process of its
    own; what it printed, with the text that the README says so."""
    told = []
    following = [*BLOCKS[1:], ("", "")]
    for number, ((language, text), (next_language, printed)) in enumerate(
        zip(BLOCKS, following, strict=True)
    ):
        if language == "python":
            example = folder / f"example_{number}.py"
            example.write_text(text, encoding="utf-8")
            output = run(folder, "-W", "error", example.name)
            told.append((output, printed if next_language == "text" else ""))
    return told


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[str, str]]]:
    """The folder in which all examples have run, and what they printed."""
    folder = tmp_path_factory.mktemp("readme")
    return folder, run_examples(folder)


def test_every_python_example_runs_and_prints_what_the_readme_says(
    examples: tuple[Path, list[tuple[str, str]]],
) -> None:
    _, told = examples
    assert len(told) == README.count("```python")
    said = [(output, printed) for output, printed in told if printed]
    assert said, "no example shows what it prints"
    for output, printed in said:
        assert output == printed


def test_the_first_example_is_complete_in_some_twenty_lines() -> None:
    first = next(text for language, text in BLOCKS if language == "python")
    assert 15 <= len(first.splitlines()) <= 25
    for word in ("enqueue", "wait", "result", "report_progress", "check_cancelled", "cancel("):
        assert word in first


def test_the_terminal_commands_work_on_the_file_of_the_examples(
    examples: tuple[Path, list[tuple[str, str]]],
) -> None:
    folder, _ = examples
    listed = run(folder, "-m", "sprag", "-d", "jobs.db", "list", "-s", "completed", "--json")
    job_id = json.loads(listed)["jobs"][0]["id"]
    commands = [shlex.split(line)[1:] for line in COMMANDS if line.startswith("sprag ")]
    tried = []
    for command in commands:
        if command[0] in ("work", "run"):
            continue  # have tests of their own
        if command[-1] == "watch":
            command.append("JOB")  # without one it watches until it is interrupted
        arguments = [job_id if word == "JOB" else word for word in command]
        run(folder, "-m", "sprag", *arguments)
        tried.append(command[2])
    assert tried == ["list", "show", "watch", "enqueue", "check"]


def test_the_queue_of_the_example_folder_runs_by_its_import_path(tmp_path: Path) -> None:
    [line] = [line for line in COMMANDS if line.startswith("sprag work")]
    database = tmp_path / "thumbnails.db"
    source = tmp_path / "photo.png"
    Image.effect_noise((400, 300), 50).save(source)
    command = [sys.executable, "-m", *shlex.split(line)]
    environment = {**unmeasured(), "SPRAG_DATABASE": str(database)}
    queue = QueueService(name="thumbnails", database=database)
    job = queue.enqueue({"source": str(source), "folder": str(tmp_path / "small")})
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL) as worker:
        try:
            done = queue.wait(job.id, DEADLINE)
            worker.terminate()
            assert worker.wait(DEADLINE) == 0
        finally:
            worker.kill()
            queue.stop()
    assert done.status == "completed"
    assert (tmp_path / "small" / "photo.png-320.jpg").is_file()


def test_the_commands_to_install_and_to_try_name_what_is_there() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    plain = [shlex.split(line, comments=True) for line in COMMANDS]
    installed = [command[2] for command in plain if command[:2] == ["pip", "install"]]
    assert sorted(project["optional-dependencies"]) == ["cli", "web"]
    name = project["name"]
    assert installed == [name, f"{name}[cli]", f"{name}[cli,web]"]
    scripts = set(re.findall(r"tools/\w+\.py", README))
    assert scripts == {"tools/demo.py", "tools/test.py", "tools/bench.py"}
    assert all((ROOT / script).is_file() for script in scripts)


def write_page(folder: Path) -> Path:
    """The folder, with every file of the page that the README shows."""
    files = dict(
        re.findall(
            r"^`([\w/]+\.(?:py|html))`[^`]*?:\n\n```\w+\n(.*?)^```$",
            README,
            re.MULTILINE | re.DOTALL,
        )
    )
    assert sorted(files) == [
        "app/routes/count.html", "app/routes/count.py", "app/routes/count_module.py", "main.py",
    ]  # fmt: skip
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_the_files_of_the_page_make_an_application_that_counts(tmp_path: Path) -> None:
    write_page(tmp_path)
    (tmp_path / "use.py").write_text(USE_OF_THE_PAGE, encoding="utf-8")
    said = run(tmp_path, "use.py", PYTHONPATH=os.pathsep.join([str(tmp_path), *sys.path]))
    assert said.split() == ["200", "400", "completed", "{'counted':", "5}"]


USE_OF_THE_PAGE = """
import warnings
warnings.simplefilter("ignore")
from starlette.testclient import TestClient
from main import app

with TestClient(app) as page:
    print(page.get("/").status_code)
    print(page.post("/_sprag/actions/count", json={"to": 0}).status_code)
    job_id = page.post("/_sprag/actions/count", json={"to": "5"}).json()["value"]["job_id"]
    app.queue("counting").wait(job_id, 60)
    job = page.post("/_sprag/actions/status", json={"job_id": job_id}).json()["value"]["job"]
    print(job["status"], job["result"])
"""


def test_the_table_of_options_is_that_of_the_class() -> None:
    rows = re.findall(r"^\| (`[^|]+`) \| ([^|]+) \|", README, re.MULTILINE)
    told = {name: default for names, default in rows for name in re.findall(r"`(\w+)`", names)}
    assert list(told) == list(OPTIONS)
    for name, default in told.items():
        if default not in ("required", "none"):
            assert default == f"`{_shown(getattr(QueueService, name))}`"


def _shown(value: object) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    return repr(value) if isinstance(value, int | float | None) else f"{type(value).__name__}()"


def test_every_link_leads_to_a_file() -> None:
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).is_file()] == []
