"""Some seconds of the soak, and leaks that it must find; `tools/soak.py` has the rest of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from _soak.bounds import Finding, findings, table
from _soak.ledger import Ledger
from _soak.sample import Sample
from tests.support import PATIENCE, for_tool

SOAK = Path(__file__).parents[2] / "tools" / "soak.py"
LEAKING = Path(__file__).with_name("leaking_soak.py")

linux = pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="a process's memory is read from /proc"
)


def soak(program: Path, folder: Path, seconds: float) -> subprocess.CompletedProcess[str]:
    env = for_tool()
    env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(SOAK.parent), env.get("PYTHONPATH")]))
    return subprocess.run(
        [sys.executable, str(program), "--here", "--seconds", str(seconds), "--dir", str(folder)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE, check=False,
        env=env,
    )  # fmt: skip


@linux
def test_mixed_work_keeps_threads_files_and_log_within_bounds_and_loses_nothing(
    tmp_path: Path,
) -> None:
    done = soak(SOAK, tmp_path, 7)
    # The seed is in what it says.
    assert done.returncode == 0, done.stdout
    for figure in ("memory", "threads", "file descriptors", "database file", "write-ahead log"):
        assert f"\nok    {figure}" in done.stdout, done.stdout
    found = re.search(r"ok    ([\d,]+) jobs were acknowledged, ([\d,]+) were announced",
                      done.stdout)  # fmt: skip
    assert found is not None, done.stdout
    acknowledged, ended = (int(count.replace(",", "")) for count in found.groups())
    assert acknowledged == ended > 50, done.stdout


@linux
def test_a_handler_that_keeps_files_threads_and_memory_is_found(tmp_path: Path) -> None:
    done = soak(LEAKING, tmp_path, 5)
    assert done.returncode == 1, done.stdout
    for figure in ("memory", "threads", "file descriptors"):
        assert f"\nWRONG {figure}" in done.stdout, done.stdout


STEADY = [
    Sample(
        float(n), memory=40.0, threads=20, descriptors=30, wal=30.0 if n % 6 < 3 else 16.0,
        database=1.0, backlog=n % 4, rate=100.0, released=max(0.0, n % 6 - 2.0),
    )
    for n in range(30)
]  # fmt: skip


def wrong(samples: list[Sample]) -> list[str]:
    return [found.said.split(":")[0] for found in findings(samples, 2.0) if not found.good]


def test_a_steady_series_is_within_its_bounds() -> None:
    assert wrong(STEADY) == []


@pytest.mark.parametrize(
    ("grown", "named"),
    [
        (lambda s: replace(s, memory=s.memory + s.at), "memory, resident"),
        (lambda s: replace(s, threads=s.threads + int(s.at) // 5), "threads"),
        (lambda s: replace(s, descriptors=s.descriptors + int(s.at)), "file descriptors"),
        (lambda s: replace(s, database=s.database + s.at / 3), "database file"),
        (lambda s: replace(s, wal=s.wal + 1.0), "write-ahead log"),
    ],
)
def test_what_grows_is_found(grown: Callable[[Sample], Sample], named: str) -> None:
    assert wrong([grown(sample) for sample in STEADY]) == [named]


def test_a_log_that_was_never_seen_free_of_its_reader_proves_nothing() -> None:
    assert wrong([replace(sample, released=0.0) for sample in STEADY]) == ["write-ahead log"]
    assert wrong([replace(sample, released=9.0) for sample in STEADY]) == ["write-ahead log"]


def test_too_few_samples_prove_nothing() -> None:
    assert Finding(False, "threads: too few samples (2)") in findings(STEADY[:2], 2.0)


def test_the_table_tells_start_median_worst_and_end() -> None:
    lines = table([replace(sample, rate=sample.at + 1) for sample in STEADY])
    assert "| write-ahead log (MB) | 30.0 | 23.0 | 30.0 | 16.0 |" in lines
    # Of a rate, the worst is the least.
    assert lines[-1] == "| jobs ended a second | 1 | 16 | 1 | 30 |"


def told(ledger: Ledger, job: str, event: str, status: str) -> None:
    ledger({"job_id": job, "event": event, "status": status, "at": 1.0})


def test_the_ledger_balances_whichever_comes_first_answer_or_announcement() -> None:
    ledger = Ledger()
    ledger.acknowledge("a")
    told(ledger, "a", "enqueue", "queued")
    told(ledger, "b", "enqueue", "queued")
    ledger.acknowledge("b")
    assert len(ledger.problems()) == 2
    told(ledger, "a", "complete", "completed")
    told(ledger, "b", "fail", "failed")
    assert ledger.settled
    assert (ledger.acknowledged, ledger.ended, ledger.problems()) == (2, 2, [])


def test_the_ledger_finds_what_is_lost_unexpected_or_open() -> None:
    ledger = Ledger()
    ledger.acknowledge("lost")
    told(ledger, "unexpected", "enqueue", "queued")
    told(ledger, "unexpected", "cancel", "cancelled")
    ledger.acknowledge("open")
    told(ledger, "open", "enqueue", "queued")
    told(ledger, "open", "progress", "running")
    assert ledger.problems() == [
        "job lost was acknowledged and never announced",
        "job unexpected was announced, and nobody asked for it",
        "job open never ended",
    ]
