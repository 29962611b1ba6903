"""What docs/design.md lists is what there is."""

from __future__ import annotations

import re

from sprag.queue import MOVES
from tests.documents import ROOT

DESIGN = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return DESIGN.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_the_table_of_moves_is_that_of_the_code() -> None:
    rows = re.findall(
        r"^\| (.+) \| (.+) \| (.+) \| (.+) \| (.+) \|$", section("States"), re.MULTILINE
    )
    told = [tuple(cell.replace("`", "") for cell in row) for row in rows if row[1] != "event"]
    assert told == [(str(move.source or "(none)"), *move[1:]) for move in MOVES]


def test_the_layers_name_every_module_of_the_queue_once() -> None:
    rows = "".join(re.findall(r"^\| ([^|]+) \|", section("Layers"), re.MULTILINE))
    named = re.findall(r"`(\w+)(?:\.sql)?`", rows)
    folder = ROOT / "sprag" / "queue"
    there = {path.stem for path in folder.iterdir() if path.suffix in (".py", ".sql")}
    assert sorted(named) == sorted(there - {"__init__"})
