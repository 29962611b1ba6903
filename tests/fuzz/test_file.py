from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from _fuzz.cases import Case, keep, kept
from _fuzz.damage import DAMAGES
from _fuzz.runner import tried
from tests.support import PATIENCE, for_tool, some, unmeasured

SEED = 1
TREE = Path(__file__).parents[2]


def environment() -> dict[str, str]:
    """That of a child, which finds the sprag that is tried here."""
    return for_tool(unmeasured())


def test_no_damage_to_a_file_ends_in_anything_but_an_answer_or_a_clear_error(
    tmp_path: Path,
) -> None:
    cases = [Case("file", name, SEED, full=False) for name in some(DAMAGES, 3)]
    wrong = [
        f"{case}: {problem}"
        for case, problems in tried(cases, env=environment(), folder=tmp_path)
        for problem in problems
    ]
    assert wrong == []


def test_a_case_that_hangs_or_kills_its_process_is_a_finding(tmp_path: Path) -> None:
    hangs = Case("file", "no file", SEED)
    ((_, late),) = tried([hangs], env=environment(), folder=tmp_path, deadline=0.01)
    # By itself, or by a signal where the stacks could not be shown at just that moment.
    assert re.search(r"the process ended with (1|-11)\b", late[0])
    assert "Timeout" in late[0]
    dies, goes_on = Case("no kind of ours", "x", SEED), Case("file", "no file", SEED, full=False)
    answers = dict(tried([dies, goes_on], env=environment(), folder=tmp_path, processes=1))
    assert "KeyError" in answers[dies][0]
    assert answers[goes_on] == []


def test_a_failure_that_is_kept_is_the_same_to_the_byte(tmp_path: Path) -> None:
    made = Case("file", "owners: a lock that is a pipe", SEED).made()
    keep(made, ["what went wrong"], tmp_path / "failure.json")
    again = kept(tmp_path / "failure.json")
    assert again == made
    assert again.files is not None
    assert "pipe" in again.files.values()


def test_the_long_form_runs_and_replays(tmp_path: Path) -> None:
    keep(Case("file", "cut anywhere", 3).made(), [], tmp_path / "kept.json")
    tool = [sys.executable, str(TREE / "tools" / "fuzz.py"), "--here", "--dir", str(tmp_path)]
    for more in (["--seconds", "1", "--seed", "5"], ["--replay", str(tmp_path / "kept.json")]):
        done = subprocess.run(
            [*tool, *more], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        assert "0 WRONG" in done.stdout
