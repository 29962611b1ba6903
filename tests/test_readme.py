"""The README keeps its word: its examples run, its commands, extras and pictures exist."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

from tests.documents import ROOT, blocks, commands, named_files, run, run_examples
from tests.recipes.conftest import running

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_example_runs_and_prints_what_the_readme_says(tmp_path: Path) -> None:
    told = run_examples(README, tmp_path)
    assert told, "there is no example"
    for output, printed in told:
        assert output == printed


def test_the_first_example_is_complete_in_some_twenty_lines() -> None:
    first = next(text for language, text in blocks(README) if language == "python")
    assert 15 <= len(first.splitlines()) <= 25
    for word in ("enqueue", "wait", "result", "report_progress", "check_cancelled", "cancel("):
        assert word in first


def test_what_it_is_how_it_looks_how_to_install_it_and_an_example_come_first() -> None:
    first = ["](docs/pictures/demo.", "\n## Install\n", "\n## First example\n", "\n## A page\n"]
    assert sorted(first, key=README.index) == first


def test_the_commands_to_install_and_to_try_name_what_is_there() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    plain = [shlex.split(line, comments=True) for line in commands(README)]
    installed = [command[2] for command in plain if command[:2] == ["pip", "install"]]
    assert sorted(project["optional-dependencies"]) == ["cli", "schedules", "web"]
    name = project["name"]
    extras = ("cli", "cli,web", "schedules")
    assert installed == [name, *(f"{name}[{extra}]" for extra in extras), ".[cli,web]"]
    scripts = set(re.findall(r"tools/\w+\.py", README))
    assert scripts == {"tools/demo.py", "tools/test.py", "tools/bench.py"}
    assert all((ROOT / script).is_file() for script in scripts)


def test_the_test_of_the_example_passes(tmp_path: Path) -> None:
    name = "test_mail.py"
    (tmp_path / name).write_text(named_files(README)[name], encoding="utf-8")
    assert "1 passed" in run(tmp_path, "-m", "pytest", "-W", "error", "-q", name)


def write_page(folder: Path) -> Path:
    """The folder, with every file of the page that the README shows."""
    files = named_files(README)
    del files["test_mail.py"]
    assert sorted(files) == [
        "app/routes/count.html", "app/routes/count.py", "app/routes/count_module.py", "main.py",
    ]  # fmt: skip
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_the_files_of_the_page_make_an_application_that_counts(tmp_path: Path) -> None:
    with running(write_page(tmp_path), "sprag", "run", "main:app", "--port", "0") as program:
        visitor = program.visitor()
        refused = visitor.client.post("/_sprag/actions/count", json={"to": 0})
        assert refused.status_code == 400
        page = visitor.listen()
        job_id = visitor.call("count", to="5")["job_id"]
        page.until_status(job_id, "completed")
        job = visitor.call("status", job_id=job_id)["job"]
        assert (job["status"], job["result"]) == ("completed", {"counted": 5})
        assert program.stop() == 0
