"""Each call of the disk fails in turn, under a queue that does all that queues do.

Here some of the faults, evenly chosen; `tools/faults.py --all` tries every one.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from _faults import openings, systemcalls
from _faults.disk import FaultyDisk
from _faults.plans import evenly
from tests.support import PATIENCE, for_tool

FAULTS = Path(__file__).parents[2] / "tools" / "faults.py"
PARTS = 2
"""Processes at once: a pass waits for most of its time."""


def tried(*arguments: str) -> int:
    """How many faults were tried in all; none of them may have gone wrong."""
    parts = [
        subprocess.Popen(
            [sys.executable, str(FAULTS), "--here", "--part", f"{n}/{PARTS}", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=for_tool(),
        )
        for n in range(1, PARTS + 1)
    ]  # fmt: skip
    count = 0
    try:
        for part in parts:
            said, _ = part.communicate(timeout=PATIENCE)
            assert part.returncode == 0, said
            told = re.search(r"(\d+) faults tried, (\d+) not met, 0 WRONG", said)
            assert told is not None, said
            count += int(told[1]) - int(told[2])
    finally:
        for part in parts:
            part.kill()
            part.communicate()
    return count


def test_whatever_call_of_the_vfs_fails_no_job_is_lost_and_the_queue_goes_on() -> None:
    count = tried("--count", "36")
    print(f"{count} faults")
    assert count > 20


@pytest.mark.skipif(not systemcalls.POSSIBLE, reason="needs Linux on x86-64")
@pytest.mark.parametrize(
    "which",
    [
        ("--count", "36"),
        # After which SQLite may have opened for reading what was to be written.
        ("--all", "--match", r"\(system open\): EIO, once"),
    ],
    ids=["evenly chosen", "each opening of a file"],
)
def test_whatever_system_call_fails_no_job_is_lost_and_the_queue_goes_on(
    which: tuple[str, ...],
) -> None:
    count = tried("--system", *which)
    print(f"{count} faults")
    assert count > 20


@pytest.fixture
def disk() -> Iterator[FaultyDisk]:
    made = FaultyDisk("sprag-faulty-opening")
    yield made
    made.unregister()


@pytest.mark.parametrize("state", openings.STATES)
def test_an_opening_that_fails_says_so_and_leaves_nothing_half_open(
    tmp_path: Path, disk: FaultyDisk, state: openings.State
) -> None:
    every = [case for case in openings.cases(tmp_path, disk) if case.name.startswith(state)]
    wrong: list[tuple[str, list[str]]] = []
    raised = 0
    for number, case in enumerate(evenly(every, 40)):
        problems, errors, _met = case.run(tmp_path / str(number))
        raised += bool(errors)
        if problems:
            wrong.append((case.name, problems))
    print(f"40 of {len(every)} faults, {raised} openings failed")
    assert wrong == []
    assert raised > 10
