from __future__ import annotations

from pathlib import Path

from _fuzz.cases import Case
from _fuzz.damage import DAMAGES
from _fuzz.runner import tried
from tests.support import unmeasured

SEED = 1
TREE = Path(__file__).parents[2]


def environment() -> dict[str, str]:
    """That of a child, which finds the sprag that is tried here."""
    return {name: value for name, value in unmeasured().items() if name != "PYTHONSAFEPATH"}


def test_no_damage_to_a_file_ends_in_anything_but_an_answer_or_a_clear_error(
    tmp_path: Path,
) -> None:
    cases = [Case("file", name, SEED, full=False) for name in DAMAGES]
    wrong = [
        f"{case}: {problem}"
        for case, problems in tried(cases, env=environment(), folder=tmp_path)
        for problem in problems
    ]
    assert wrong == []
