"""The guide and the recipes keep their word: their code runs, their tables and links are right."""

from __future__ import annotations

import inspect
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sprag import App, Controller, Field, Module
from sprag.browser import files
from tests.documents import ROOT, blocks, commands
from tests.recipes.conftest import EXAMPLES, Program, Visitor, fill_up, running
from tests.support import DEADLINE, unmeasured

RECIPES = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
GUIDE = (ROOT / "docs" / "web.md").read_text(encoding="utf-8")
NAME = re.compile(r"^(?:# |// |<!-- )([\w/]+\.(?:py|js|html))(?: -->)?\n")


def test_the_recipes_show_the_examples_as_they_are() -> None:
    shown = [text for language, text in blocks(RECIPES) if language == "python"]
    names = ("plain", "in_fastapi", "with_flask", "with_django")
    assert shown == [(EXAMPLES / f"{name}.py").read_text(encoding="utf-8") for name in names]


def test_the_recipes_name_the_same_commands_as_the_first_example() -> None:
    first = (EXAMPLES / "plain.py").read_text(encoding="utf-8").partition('"""')[0]
    named = commands(RECIPES)
    assert named
    assert [line for line in named if line not in first] == []


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_site(tmp_path_factory.mktemp("guide"))


def write_site(folder: Path) -> Path:
    """The folder, with every file in it that the guide shows under its name."""
    for _, text in blocks(GUIDE):
        name = NAME.match(text)
        if name is not None:
            file = folder / name[1]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
    (folder / "app" / "routes" / "__init__.py").touch()
    (folder / "app" / "__init__.py").touch()
    (folder / "static").mkdir()
    return folder


@pytest.fixture
def program(site: Path) -> Iterator[Program]:
    with running(site, "sprag", "run", "main:app", "--port", "0") as served:
        yield served


def imports_from(folder: Path) -> dict[str, str]:
    """The environment of a script that finds the modules of `folder`, wherever it starts."""
    return {**unmeasured(), "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}


def test_every_python_block_is_a_file_of_the_site_or_runs_by_itself(site: Path) -> None:
    alone = [
        text for language, text in blocks(GUIDE) if language == "python" and not NAME.match(text)
    ]
    assert alone
    for number, text in enumerate(alone):
        file = site / f"snippet_{number}.py"
        file.write_text(text, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-W", "error", file.name], cwd=site, env=imports_from(site),
            capture_output=True, text=True, timeout=DEADLINE, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{text}\n{done.stderr}"


def test_the_site_of_the_guide_does_what_the_guide_says(program: Program) -> None:
    visitor = program.visitor()
    assert "Images" in visitor.page()
    page = visitor.listen()
    answer = visitor.client.post(
        "/_sprag/actions/upload", files={"file": ("a.png", b"123", "image/png")}
    ).json()["value"]
    assert (answer["accepted"], answer["queue"]) == (True, "image_processing")
    page.until_status(answer["job_id"], "completed")
    status = visitor.call("status", job_id=answer["job_id"])
    assert status["job"]["result"] == {"bytes": 3}
    assert set(re.findall(r"^\| `(\w+)` \|", section("What enqueue answers"), re.MULTILINE)) == set(
        status
    )
    task = visitor.call("report")["task_id"]
    end = page.until(lambda told: told["signal"] == "sprag:action.finished")
    assert (end["task_id"], end["value"]) == (task, {"jobs": 1})
    for name in ("clock", "image/7"):
        assert visitor.client.get(f"/{name}").status_code == 200, program.said
    assert program.stop() == 0


def test_an_upload_that_the_full_queue_refuses_leaves_no_file(tmp_path: Path) -> None:
    folder = write_site(tmp_path)
    fill_up(folder / "site.db", "image_processing", folder / "queues.py")
    with running(folder, "sprag", "run", "main:app", "--port", "0") as program:
        visitor = program.visitor()
        answer = visitor.client.post(
            "/_sprag/actions/upload", files={"file": ("a.png", b"123", "image/png")}
        ).json()["value"]
        assert (answer["accepted"], answer["job"]) == (False, None)
        assert answer["message"] == "The queue is full: try again later"
        assert list((folder / "uploads").iterdir()) == []
        assert program.stop() == 0


def test_the_errors_of_actions_are_those_of_the_table(program: Program) -> None:
    visitor = program.visitor()
    for status, kind, answer in provoked(visitor):
        assert (answer.status_code, answer.json()["error"]["type"]) == (status, kind), answer.text
        assert f"| {status} | `{kind}` |" in GUIDE
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \|", GUIDE, re.MULTILINE)
    package = Path(inspect.getfile(App)).parent
    code = "".join(path.read_text(encoding="utf-8") for path in package.glob("*.py"))
    named = set(re.findall(r'ActionError\([^()]*?type="(\w+)"', code))
    assert sorted(kind for _, kind in rows) == sorted(named)
    assert program.stop() == 0


def provoked(visitor: Visitor) -> Iterator[tuple[int, str, Any]]:
    """Errors that a visitor can bring about."""
    url = "/_sprag/actions/status"
    post = visitor.client.post
    yield 400, "invalid_json", post(url, content="{", headers={"Content-Type": "application/json"})
    yield 400, "invalid_payload", post(url, json={"job_id": 3})
    yield 400, "invalid_form", post(url, files={"x": b""}, data={"y": "z"})
    yield 403, "forbidden", post(url, json={}, headers={"Origin": "https://example.org"})
    yield 404, "unknown_action", post("/_sprag/actions/nonsense", json={})
    yield 404, "unknown_job", post(url, json={"job_id": "0" * 32})
    yield 405, "method_not_allowed", visitor.client.get(url)
    yield 413, "too_large", post(url, json={"job_id": "x" * 1024 * 1024})
    yield 415, "unsupported_media_type", post(url, content="job_id=1")


def section(title: str) -> str:
    _, _, after = GUIDE.partition(f"## {title}\n")
    assert after, title
    return re.split(r"^##+ ", after, maxsplit=1, flags=re.MULTILINE)[0]


def table(title: str) -> dict[str, str]:
    """The first two columns of the table in a section; several names share a row."""
    rows = re.findall(r"^\| (`[^|]+`) \| ([^|]+?) \|", section(title), re.MULTILINE)
    return {name: default for names, default in rows for name in re.findall(r"`(\w+)`", names)}


@pytest.mark.parametrize(
    ("title", "function"),
    [("The options of App", App.__init__), ("Schema and Field", Field.__init__)],
)
def test_a_table_of_options_is_that_of_the_class(title: str, function: Any) -> None:
    parameters = list(inspect.signature(function).parameters.values())[1:]
    told = table(title)
    assert list(told) == [parameter.name.rstrip("_") for parameter in parameters]
    for parameter in parameters:
        default = told[parameter.name.rstrip("_")].strip("`")
        if default not in ("required", "none"):
            value = parameter.default
            shown = value.__name__ if isinstance(value, type) else value
            assert default.replace(",", "") == str(shown)


def test_the_verbs_are_those_of_both_modules() -> None:
    script = files.core_assets()[0].content.decode()
    rows = re.findall(r"^\| `self\.(\w+)[^|]*\| `this\.(\w+)", section("Verbs"), re.MULTILINE)
    assert len(rows) >= 8
    for python, javascript in rows:
        assert hasattr(Module, python) or python in Module.__annotations__
        assert re.search(
            rf"^  (this\.)?{javascript}\(|this\.{javascript} =", script, re.MULTILINE
        ) or (javascript in ("element", "state"))


def test_the_methods_of_a_controller_exist() -> None:
    names = re.findall(r"^\| `self\.(\w+)", section("Controllers"), re.MULTILINE)
    assert len(names) >= 8
    for name in names:
        assert hasattr(Controller, name) or name in ("app", "request")


@pytest.mark.parametrize("program", ["sprag run", "uvicorn", "gunicorn"])
def test_the_commands_name_options_that_there_are(program: str) -> None:
    words = program.split()
    told = subprocess.run(
        [sys.executable, "-m", *words, "--help"], env=unmeasured(), capture_output=True, text=True,
        timeout=DEADLINE, check=True,
    ).stdout  # fmt: skip
    lines = commands(GUIDE + RECIPES)
    named = [shlex.split(line) for line in lines if line.startswith(f"{program} ")]
    assert named
    for command in named:
        assert [word for word in command if word[:2] == "--" and word not in told] == []
