"""Ctrl-C and SIGTERM raise in the main thread, between any two instructions, and nothing hangs."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import _oracle as oracle
from tests.support import DEADLINE, child, part, program, raw, unmeasured

PROGRAMS = Path(__file__).with_name("programs")
MEMORY = Path("/dev/shm")


@pytest.fixture
def quick_database() -> Iterator[Path]:
    """A database in memory, if this system has such a place: no disk is the subject."""
    place = MEMORY if MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="sprag-interrupts-", dir=place) as folder:
        yield Path(folder) / "jobs.db"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("call", ["enqueue", "cancel", "get", "jobs"])
def test_a_signal_at_any_instruction_leaves_the_queue_usable(
    quick_database: Path, call: str, number: signal.Signals
) -> None:
    tried = part(2)
    done = program(PROGRAMS / "sweep.py", quick_database, call, int(number), tried)
    assert done.returncode == 0, f"part {tried}: {done.stderr[-3000:]}"
    assert int(done.stdout.split()[-1]) > 25
    with raw(quick_database) as connection:
        file = oracle.read(connection)
        assert oracle.audit(connection) == []
    # What was started was also run: no start was left without a worker.
    assert {job.status for job in file.jobs.values()} <= {"completed", "cancelled"}


@pytest.mark.parametrize("call", ["start", "stop", "stop at once", "wait", "block"])
def test_ctrl_c_at_any_moment_ends_a_call_and_leaves_no_half_of_a_queue(
    quick_database: Path, call: str
) -> None:
    done = program(PROGRAMS / "life.py", quick_database, call)
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout) > 40
    with raw(quick_database) as connection:
        file = oracle.read(connection)
        assert oracle.audit(connection) == []
    assert file.owners == set()
    assert {job.status for job in file.jobs.values()} == {"queued"}
    assert not any(move.event == "recover" for move in file.moves)


def test_ctrl_c_while_the_main_thread_enqueues_loses_and_blocks_nothing(tmp_path: Path) -> None:
    rounds = 150
    noise = random.Random(5)
    database = tmp_path / "jobs.db"
    with child(PROGRAMS / "interrupted.py", database, rounds) as process:
        assert process.stdout is not None
        for _ in range(rounds):
            assert process.stdout.readline() == "ready\n"
            time.sleep(noise.uniform(0, 0.006))
            process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=DEADLINE)
        assert process.returncode == 0
    assert said == "0\n"
    with raw(database) as connection:
        assert oracle.audit(connection) == []


def test_sigterm_while_the_main_thread_enqueues_ends_in_order(tmp_path: Path) -> None:
    noise = random.Random(6)
    database = tmp_path / "jobs.db"
    accepted: list[str] = []
    for _ in range(8):
        process = subprocess.Popen(
            [sys.executable, PROGRAMS / "terminated.py", str(database)],
            env=unmeasured(),
            stdout=subprocess.PIPE,
            bufsize=0,  # what a buffer has read already, communicate() does not see
        )
        with process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == b"ready\n"
                time.sleep(noise.uniform(0, 0.05))
                process.send_signal(signal.SIGTERM)
                said, _ = process.communicate(timeout=DEADLINE)
            finally:
                process.kill()
        assert process.returncode == 128 + signal.SIGTERM
        accepted += said.decode().split()
    with raw(database) as connection:
        file = oracle.read(connection)
        assert oracle.audit(connection) == []
    assert set(accepted) <= set(file.jobs)
    assert file.owners == set()
    assert not any(job.status in oracle.HELD for job in file.jobs.values())
    assert not any(move.event == "recover" for move in file.moves)
