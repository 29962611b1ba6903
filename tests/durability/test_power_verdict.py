"""What contradicts a file is found, told by told: each case adds one thing that is not so."""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from _oracle import File
from _power.check import look, run_to_end
from _power.disk import Disk, Files
from _power.log import Log, Mark, Op
from _power.verdict import History, Told, finished, kept, true_so_far
from _power.workload import record


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Log:
    return record(tmp_path_factory.mktemp("short"), "short", 5)


@pytest.fixture(scope="module")
def files(log: Log) -> Files:
    disk = Disk(log.initial)
    for number, entry in enumerate(log.entries):
        if isinstance(entry, Op):
            disk.advance(number, entry)
    return disk.image("lost", random.Random(0))


@pytest.fixture(scope="module")
def file(files: Files, tmp_path_factory: pytest.TempPathFactory) -> File:
    content = look(tmp_path_factory.mktemp("image"), files)
    assert content.problems == ()
    assert content.file is not None
    return content.file


@pytest.fixture
def told(log: Log) -> Told:
    made = Told()
    made.hear(log.entries)
    return made


def some_job(file: File, *statuses: str) -> str:
    return next(job.id for job in file.jobs.values() if job.status in statuses)


def test_what_was_told_agrees_with_the_file(log: Log, file: File, told: Told) -> None:
    assert list(true_so_far(file, told, History.of(log))) == []
    assert list(kept(file, told)) == []


UNKNOWN = "f" * 32
CASES: dict[str, tuple[str, tuple[Any, ...]]] = {
    "was acknowledged and is gone": ("accepted", ([[UNKNOWN, 1]],)),
    r"the journal ends at seq \d+, but seq 9999": ("signal", (9999, UNKNOWN, "start", "", 1)),
    r"seq \d+ was signalled .* and is another move": ("signal", ("last", UNKNOWN, "fail", "x", 1)),
    r"ran for the 99th time and was started \d time": ("running", ("ended", 99)),
    "was cancelling when cancel.. returned and is": ("cancelled", ("completed", "cancelling")),
    "had ended as failed with None and is completed": ("ended", ("completed", "failed", None)),
    "had ended as completed with 3 and is": ("ended", ("completed", "completed", 3)),
    r"was requeued \d+ times, its journal says": ("requeued", ("completed",)),
}


@pytest.mark.parametrize("wanted", CASES)
def test_what_was_told_and_is_not_in_the_file_is_found(file: File, told: Told, wanted: str) -> None:
    what, words = CASES[wanted]
    real = {
        "completed": some_job(file, "completed"), "ended": some_job(file, "completed", "failed"),
        "last": file.moves[-1].seq,
    }  # fmt: skip
    first, *rest = words
    told.hear([Mark(what, (real.get(first, first) if isinstance(first, str) else first, *rest))])
    assert [problem for problem in kept(file, told) if re.search(wanted, problem)]


def test_moves_and_jobs_that_nobody_made_are_found(log: Log, file: File, told: Told) -> None:
    history, job = History.of(log), some_job(file, "completed")
    last = file.moves[-1].seq
    other = {**history.moves, last: (job, "cancel", "cancelled", 7)}
    before = {seq: move for seq, move in history.moves.items() if seq != last - 1}
    for changed, wanted in (
        (replace(history, moves=other), f"seq {last} is .*, but it was told as cancel of {job}"),
        (replace(history, moves=before), f"seq {last - 1} is .*, of which nobody was told"),
        (replace(history, jobs=history.jobs - {job}), f"job {job} was never enqueued"),
    ):
        assert re.search(wanted, "\n".join(true_so_far(file, told, changed)))
    told.accepted[job] = 12345
    assert [p for p in true_so_far(file, told, history) if f"job {job} of 12345 has" in p]


def changes(file: File) -> Iterator[tuple[File, str]]:
    past = [replace(file.moves[0], at=0.0), *file.moves[1:]]
    yield replace(file, moves=past), "recovery changed the journal's past"
    job = some_job(file, "completed")
    yield replace(file, owners={7}), "owner 7 is left after all have left"
    fewer = {id_: each for id_, each in file.jobs.items() if id_ != job}
    yield replace(file, jobs=fewer), f"recovery lost job {job}"
    for status, wanted in (("failed", "had ended as completed"), ("queued", "is queued after")):
        jobs = {**file.jobs, job: replace(file.jobs[job], status=status)}
        yield replace(file, jobs=jobs), f"job {job} {wanted}"


def test_what_recovery_must_not_do_is_found(file: File) -> None:
    assert list(finished(replace(file, owners=set()), replace(file, owners=set()))) == []
    for after, wanted in changes(copy.deepcopy(file)):
        assert [problem for problem in finished(file, after) if wanted in problem]


def test_a_job_that_recovery_leaves_with_a_dead_owner_is_found(log: Log, tmp_path: Path) -> None:
    # Cut down in the midst of the work, and its lock files are gone.
    disk, folder = Disk(log.initial), tmp_path / "image"
    for number, entry in enumerate(log.entries):
        if isinstance(entry, Op):
            disk.advance(number, entry)
            files = disk.image("kept", random.Random(0)) if number % 50 == 0 else {}
            content = look(folder, files)
            if content.file and any(job.owner for job in content.file.jobs.values()):
                bare = {name: data for name, data in files.items() if name[-5:] != ".lock"}
                assert run_to_end(folder, files, content.file, "full") == []
                problems = run_to_end(folder, bare, content.file, "full")
                assert re.search(r"job \w+ is left with owner 1, which is dead", problems[0])
                return
    pytest.fail("no job ran at any of these points")
