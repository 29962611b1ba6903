"""Finalizers, signal handlers and trace functions call a queue while it is in use by their very
thread: they are served or refused, and nothing hangs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import _oracle as oracle
from tests.support import PATIENCE, part, raw, unmeasured

PROGRAMS = Path(__file__).parent / "programs"

# Which call is interrupted, and in how many parts its events are tried, of which a run of the tests
# has one: all of them would take a minute each.
OUTER = {
    "enqueue": 26,
    "enqueue_many": 34,
    "get": 22,
    "cancel": 34,
    "wait": 26,
    "wait for one": 250,
    "subscribe": 23,
    "start": 450,
    "stop": 150,
    "block": 320,
}
# What these serve, a part may have nothing of.
RARELY_SERVED = {"wait for one", "start", "stop", "block"}
INNER = ("enqueue", "get", "cancel", "wait", "subscribe", "start", "stop")


def ran(program: str, *arguments: object) -> str:
    command = [sys.executable, str(PROGRAMS / program), *map(str, arguments)]
    done = subprocess.run(
        command, env=unmeasured(), capture_output=True, text=True, timeout=PATIENCE,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{arguments}: {done.stderr[-6000:]}"
    return done.stdout


@pytest.mark.parametrize(
    "way",
    [
        "hook",
        pytest.param(
            "signal",
            marks=pytest.mark.skipif(
                sys.version_info >= (3, 12),
                reason="trace functions do not hear of all instructions any more",
            ),
        ),
    ],
)
@pytest.mark.parametrize("outer", OUTER)
def test_a_call_that_interrupts_another_at_any_event_is_served_or_refused(
    tmp_path: Path, outer: str, way: str
) -> None:
    database = tmp_path / "jobs.db"
    # In the main thread, a start or a stop is only waited for.
    waits = way == "signal" and outer in ("start", "stop", "block")
    tried = part(11 if waits else OUTER[outer])
    said = ran("reentry_sweep.py", database, outer, ",".join(INNER), way, tried)
    served, refused = map(int, said.split()[:2])
    assert served > 0 or outer in RARELY_SERVED, tried
    if waits:
        assert refused == 0, tried
    elif (way, outer) != ("signal", "subscribe"):  # of which the main thread does little
        assert refused > 5, tried
    with raw(database) as connection:
        file = oracle.read(connection)
        assert oracle.audit(connection) == []
    assert {job.status for job in file.jobs.values()} == {"completed"}


def test_a_signal_handler_that_raises_all_the_time_keeps_nobody_waiting(tmp_path: Path) -> None:
    database = tmp_path / "jobs.db"
    acknowledged, raised = map(int, ran("raises_all_the_time.py", database, 5).split())
    assert acknowledged > 100
    assert raised > 100
    with raw(database) as connection:
        file = oracle.read(connection)
        assert oracle.audit(connection) == []
    # What a handler ends may be stored or not; what is stored comes to its end.
    assert len(file.jobs) >= acknowledged
    assert {job.status for job in file.jobs.values()} <= {"completed", "cancelled"}


@pytest.mark.parametrize("what", ["finalizer", "logging finalizer", "weak reference", "signal"])
def test_what_interrupts_an_enqueue_may_enqueue(tmp_path: Path, what: str) -> None:
    """With Python's own garbage collector, and signals of the system."""
    database = tmp_path / "jobs.db"
    said = ran("reentry_for_real.py", database, what)
    accepted, served, refused = map(int, said.split())
    assert accepted > 100
    assert served + refused > 20
    with raw(database) as connection:
        file = oracle.read(connection)
        assert oracle.audit(connection) == []
    assert len(file.jobs) == accepted + served
    assert {job.status for job in file.jobs.values()} == {"completed"}


@pytest.mark.parametrize("where", ["handler", "subscriber", "keeper", "log handler"])
def test_finalizers_may_run_in_the_queue_s_own_threads(tmp_path: Path, where: str) -> None:
    said = ran("finalizers_in_our_threads.py", tmp_path / "jobs.db", where)
    accepted, served, refused = map(int, said.split())
    assert served + refused > 0
    with raw(tmp_path / "jobs.db") as connection:
        file = oracle.read(connection)
        assert oracle.audit(connection) == []
    assert len(file.jobs) == accepted + served
    assert {job.status for job in file.jobs.values()} == {"completed"}


def test_a_signal_handler_may_stop_the_queue_that_is_being_stopped_and_ends_its_grace(
    tmp_path: Path,
) -> None:
    assert ran("stop_within_a_stop.py", tmp_path / "jobs.db") == "stopped\nstopped\n"
