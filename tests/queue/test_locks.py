"""Which lock may be taken while which is held: what the design page says is what happens."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.documents import ROOT
from tests.support import said

PROGRAM = Path(__file__).with_name("programs") / "lock_order.py"
_NAME = re.compile(r"`(\w+\.\w+)`")


@pytest.fixture(scope="module")
def told() -> dict[str, set[str]]:
    """By lock, from the outermost to the innermost: those that may be taken while it is held."""
    page = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    section = page.partition("\n## Locks\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\S+)` \| [^|]+ \|([^|]*)\|$", section, re.MULTILINE)
    return {name: set(_NAME.findall(others)) for name, others in rows}


def test_no_lock_is_taken_that_may_be_held_by_a_thread_that_waits_for_this_one(
    told: dict[str, set[str]],
) -> None:
    order = list(told)
    for outer, others in told.items():
        assert all(order.index(inner) > order.index(outer) for inner in others), outer


def test_the_design_page_names_every_lock_and_all_that_is_taken_under_it(
    told: dict[str, set[str]], tmp_path: Path
) -> None:
    found = json.loads(said(PROGRAM, tmp_path))
    assert set(found["locks"]) == set(told)
    allowed = {outer: set(others) for outer, others in told.items()}
    for outer in reversed(told):  # the inner ones are complete by then
        allowed[outer].update(*(allowed[inner] for inner in told[outer]))
    taken = {(outer, inner) for outer, inner in found["pairs"]}
    assert {(outer, inner) for outer, inner in taken if inner not in allowed[outer]} == set()
    # The program does what it is for: a start and a stop have gone through all of it.
    assert {inner for outer, inner in taken if outer == "lifecycle._life"} >= {
        "owner._becoming", "engine.opening", "commit._lead_lock", "database.turn", "usage.mutex",
    }  # fmt: skip
