"""The fixture `sprag_queue`, as pytest finds it in the installed wheel."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from sprag import QueueService
from sprag.pytest_plugin import sprag_queue as _fixture
from sprag.testing import Clock, MakeQueue, drain
from tests.documents import run
from tests.support import DEADLINE


class Mail(QueueService):
    """Knows whether it was stopped."""

    name = "mail"
    stopped = 0

    def handle_item(self, item: Any) -> Any:
        return item

    def stop(self, grace: Any = None) -> None:
        super().stop(grace)
        self.stopped += 1


def test_the_wheel_names_the_plugin() -> None:
    [plugin] = [each for each in entry_points(group="pytest11") if each.name == "sprag"]
    assert plugin.value == "sprag.pytest_plugin"


@pytest.fixture
def fixture(tmp_path: Path) -> tuple[MakeQueue, Any]:
    """What the fixture gives, and what ends it."""
    function: Any = _fixture
    generator = function.__wrapped__(tmp_path)
    return next(generator), lambda: next(generator, None)


def test_it_makes_queues_of_one_file_of_the_test_and_stops_them(
    fixture: tuple[MakeQueue, Any], tmp_path: Path
) -> None:
    make, end = fixture
    mail, other = make(Mail), make(Mail, name="other", max_attempts=3)
    assert mail.path == other.path == str(tmp_path / "jobs.db")
    assert (other.name, other.max_attempts) == ("other", 3)
    mail.enqueue(1)
    assert len(drain(mail)) == 1
    end()
    assert (mail.stopped, other.stopped) == (1, 1)


def test_it_places_a_queue_that_there_is_for_as_long_as_the_test_runs(
    fixture: tuple[MakeQueue, Any], tmp_path: Path
) -> None:
    make, end = fixture
    mine = Mail(database=tmp_path / "mine.db", max_attempts=2)
    clock = Clock(1_000_000_000)
    assert make(mine, clock=clock, max_attempts=5) is mine
    job = mine.enqueue(1)
    assert (mine.path, job.created_at, job.max_attempts) == (
        str(tmp_path / "jobs.db"), 1_000_000_000, 5,
    )  # fmt: skip
    drain(mine)
    end()
    assert (mine.path, mine.max_attempts) == (str(tmp_path / "mine.db"), 2)
    assert not (tmp_path / "mine.db").exists()


def test_a_fixture_of_that_name_of_the_users_own_comes_first(tmp_path: Path) -> None:
    (tmp_path / "test_own.py").write_text(
        "import pytest\n\n\n@pytest.fixture\ndef sprag_queue():\n    return 'mine'\n\n\n"
        "def test_it(sprag_queue):\n    assert sprag_queue == 'mine'\n",
        encoding="utf-8",
    )
    assert "1 passed" in run(tmp_path, "-m", "pytest", "-W", "error", "-q", "test_own.py")


def test_pytest_may_begin_after_sprag_was_imported(tmp_path: Path) -> None:
    (tmp_path / "test_one.py").write_text("def test_it(): pass\n", encoding="utf-8")
    program = "import sys, sprag.queue, pytest; sys.exit(pytest.main(sys.argv[1:]))"
    assert "1 passed" in run(tmp_path, "-c", program, "-W", "error", "-q", "test_one.py")


def test_it_loads_nothing_of_sprag_in_a_run_that_does_not_use_it(tmp_path: Path) -> None:
    (tmp_path / "test_none.py").write_text(
        "import sys\n\n\ndef test_it():\n"
        "    found = {name for name in sys.modules if name.startswith(('sprag', 'apsw'))}\n"
        "    assert found == {'sprag', 'sprag.pytest_plugin'}\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-W", "error", "-q", "test_none.py"],
        cwd=tmp_path, capture_output=True, text=True, timeout=DEADLINE, check=False,
    )  # fmt: skip
    assert "1 passed" in done.stdout, done.stdout
