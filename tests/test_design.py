"""What docs/design.md lists is what there is."""

from __future__ import annotations

import re
from collections import defaultdict

import pytest

from sprag.queue import MOVES
from tests.documents import ROOT
from tests.queue.test_layers import ROOMS

DESIGN = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return DESIGN.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_the_table_of_moves_is_that_of_the_code() -> None:
    rows = re.findall(
        r"^\| (.+) \| (.+) \| (.+) \| (.+) \| (.+) \|$", section("States"), re.MULTILINE
    )
    told = [tuple(cell.replace("`", "") for cell in row) for row in rows if row[1] != "event"]
    assert told == [(str(move.source or "(none)"), *move[1:]) for move in MOVES]


def test_the_layers_name_every_module_of_the_queue_in_its_room_and_in_order() -> None:
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \| ([^|]+) \|$", section("Layers"), re.MULTILINE)
    told: dict[str, list[str]] = defaultdict(list)
    there: dict[str, list[str]] = defaultdict(list)
    for room, names in rows:
        told[room].extend(re.findall(r"`(\w+)`", names))
    for room, names in ROOMS:
        there[f"`{room}/`" if room else "(in front)"].extend(names.split())
    assert {room: names for room, names in told.items() if names} == there
    scripts = {path.name for path in (ROOT / "sprag" / "queue" / "sql").glob("*.sql")}
    assert set(re.findall(r"`(\w+\.sql)`", section("Layers"))) == scripts


@pytest.mark.parametrize("tier", ["queue", "testing", "http", "browser", "dashboard", "web", "cli"])
def test_no_file_of_a_tier_is_longer_than_300_lines(tier: str) -> None:
    files = [*(ROOT / "sprag" / tier).rglob("*.py"), *(ROOT / "sprag" / tier).rglob("*.js")]
    lengths = {str(file): len(file.read_text(encoding="utf-8").splitlines()) for file in files}
    assert {file: length for file, length in lengths.items() if length > 300} == {}
