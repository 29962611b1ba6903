"""Some seconds of the long crash test, and of planted bugs that it must find; `tools/torture.py`
has the rest of it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import _oracle as oracle
from _torture.driver import Driver, Plan, Record, opened
from _torture.verdict import Verdict, judge
from _torture.words import wishes
from tests.support import PATIENCE, for_tool

TORTURE = Path(__file__).parents[2] / "tools" / "torture.py"
PLANTED = Path(__file__).with_name("planted_child.py")


def count(line: str, said: str) -> int:
    """What the report says behind `line`; it must be good."""
    found = re.search(rf"^{re.escape(line)} +(\d+)  ok", said, re.MULTILINE)
    assert found is not None, said
    return int(found[1])


def test_processes_killed_at_random_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(TORTURE), "--here", "--seconds", "6", "--kills", "4", "--dir",
         str(tmp_path)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE,
        check=False, env=for_tool(),
    )  # fmt: skip
    # The seed is in what it says.
    assert done.returncode == 0, done.stdout
    for word in ("LOST", "UNEXPECTED", "DUPLICATED", "HELD TWICE"):
        assert count(word, done.stdout) == 0
    assert count("acknowledged", done.stdout) > 20, done.stdout
    kills = re.search(r"(\d+) kills", done.stdout)
    assert kills is not None
    assert int(kills[1]) >= 4, done.stdout


def tortured(folder: Path, plant: str, deadline: float = 40.0) -> tuple[Record, Verdict]:
    """A short run of a sprag with a planted bug."""
    plan = Plan(
        Path(sys.executable), {**for_tool(), "SPRAG_PLANT": plant}, folder, 1.0, 1, 2, kills=3,
        child=PLANTED, births=False, deadline=deadline,
    )  # fmt: skip
    driver = Driver(plan)
    record = driver.run()
    with opened(driver.database) as connection:
        return record, judge(record, oracle.read(connection), wishes(connection))


def wrong(verdict: Verdict, claim: str) -> int:
    [line] = [line for line in verdict.lines if line.claim == claim]
    return len(line.problems)


def finds(folder: Path, plant: str, claim: str, deadline: float = 40.0) -> bool:
    """Whether one of some runs finds the planted bug: one of a second may kill nobody at a moment
    at which it would show."""
    for number in range(8):
        place = folder / str(number)
        place.mkdir()
        if wrong(tortured(place, plant, deadline)[1], claim):
            return True
    return False


def test_an_enqueue_that_answers_before_its_commit_is_found(tmp_path: Path) -> None:
    assert finds(tmp_path, "early answer", "LOST")


def test_a_recovery_that_takes_the_jobs_of_the_living_is_found(tmp_path: Path) -> None:
    # Whose owner's row was taken from it has jobs that nobody can recover when it dies.
    claim = "jobs taken from dead processes, none from a live one"
    assert finds(tmp_path, "takes from the living", claim, deadline=2.0)


def test_a_unique_key_that_is_taken_from_its_job_is_found(tmp_path: Path) -> None:
    assert finds(tmp_path, "lets keys go", "HELD TWICE")


def test_the_same_short_run_without_a_planted_bug_is_good(tmp_path: Path) -> None:
    _, verdict = tortured(tmp_path, "none")
    assert verdict.good, [line for line in verdict.lines if line.problems]
