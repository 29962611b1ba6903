"""The races about schedules and pauses, as in `test_schedules`: each order ends well, and a planted
bug is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from _schedules.explore import explore
from _schedules.scenarios import SCENARIOS
from _schedules.stage import Stage
from sprag.queue.sql import statements
from tests.support import PATIENCE

RACES = {scenario.name: scenario for scenario in SCENARIOS}


def in_place_of(monkeypatch: pytest.MonkeyPatch, statement: str, old: str) -> None:
    text = statements.STATEMENTS[statement]
    assert old in text
    monkeypatch.setitem(statements.STATEMENTS, statement, text.replace(old, ""))


@pytest.mark.parametrize(
    ("race", "least"), [("two keepers at one slot", 290_000), ("pause against claims", 4_000)]
)
def test_every_order_ends_well(tmp_path: Path, race: str, least: int) -> None:
    with Stage(tmp_path) as stage:
        result = explore(stage, RACES[race], seconds=PATIENCE)
    assert result.wrong == {}
    assert result.count.exhausted
    assert result.count.interleavings >= least


@pytest.mark.parametrize(
    ("race", "statement", "guard", "wanted"),
    [
        ("two keepers at one slot", "take_slot", "AND last_slot < :slot",
         "1 slots of schedules have come, and 2 jobs were enqueued for them"),
        ("pause against claims", "claim",
         "AND NOT EXISTS (SELECT 1 FROM pause WHERE pause.queue = :queue)",
         "a job was started while its queue was paused"),
    ],
)  # fmt: skip
def test_a_guard_that_is_missing_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, race: str, statement: str, guard: str,
    wanted: str,
) -> None:  # fmt: skip
    in_place_of(monkeypatch, statement, guard)
    with Stage(tmp_path) as stage:
        result = explore(stage, RACES[race], wanted=wanted, seconds=PATIENCE)
    assert wanted in result.wrong
