"""The guide keeps its word: its examples run, its commands work, its options are those there are;
and every link in every document leads somewhere."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from sprag.queue import QueueService
from sprag.queue.options import OPTIONS, JobOptions
from tests.documents import DOCUMENTS, ROOT, commands, headings, links, run, run_examples
from tests.support import DEADLINE, unmeasured

GUIDE = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")
COMMANDS = [line for line in commands(GUIDE) if line.startswith("sprag ")]


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[str, str | None]]]:
    """The folder in which all examples have run, and what they printed."""
    folder = tmp_path_factory.mktemp("guide")
    return folder, run_examples(GUIDE, folder)


def test_every_example_runs_and_prints_what_the_guide_says(
    examples: tuple[Path, list[tuple[str, str | None]]],
) -> None:
    _, told = examples
    said = [(output, printed) for output, printed in told if printed is not None]
    assert len(said) >= 2
    for output, printed in said:
        assert output == printed


def test_the_terminal_commands_work_on_the_file_of_the_examples(
    examples: tuple[Path, list[tuple[str, str | None]]],
) -> None:
    folder, _ = examples
    listed = run(folder, "-m", "sprag", "-d", "jobs.db", "list", "-s", "completed", "--json")
    job_id = json.loads(listed)["jobs"][0]["id"]
    tried = []
    for command in (shlex.split(line)[1:] for line in COMMANDS):
        if command[0] == "work":
            continue  # has a test of its own
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


def section(title: str) -> str:
    _, _, after = GUIDE.partition(f"## {title}\n")
    assert after, title
    return re.split(r"^##+ ", after, maxsplit=1, flags=re.MULTILINE)[0]


def test_the_table_of_options_is_that_of_the_class() -> None:
    rows = re.findall(r"^\| (`[^|]+`) \| ([^|]+) \|", section("Options of a queue"), re.MULTILINE)
    told = {name: default for names, default in rows for name in re.findall(r"`(\w+)`", names)}
    assert list(told) == list(OPTIONS)
    for name, default in told.items():
        if default not in ("required", "none"):
            assert default == f"`{_shown(getattr(QueueService, name))}`"


def test_the_table_of_enqueue_has_all_its_options() -> None:
    rows = re.findall(r"^\| (`[^|]+) \|", section("Enqueueing"), re.MULTILINE)
    told = {name for names in rows for name in re.findall(r"`(\w+)`", names)}
    assert told == {*JobOptions.__annotations__, "job_id"}


def _shown(value: object) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    plain = isinstance(value, int | float | tuple | None)
    return repr(value) if plain else f"{type(value).__name__}()"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_to_a_file_and_a_heading(document: Path) -> None:
    for path, heading in links(document.read_text(encoding="utf-8")):
        target = document.parent / path if path else document
        assert target.exists(), path
        if heading:
            assert heading in headings(target.read_text(encoding="utf-8")), f"{path}#{heading}"
