"""A job whose handler fails because Python is ending goes back to its queue."""

from __future__ import annotations

from pathlib import Path

import pytest

from sprag.queue.work.leaving import is_due_to_the_exit
from tests.conftest import MakeQueue
from tests.support import program

PROGRAM = Path(__file__).parent / "programs" / "exits_during_a_run.py"


@pytest.mark.parametrize("how", ["twin", "to_thread", "group", "executor", "thread goes on"])
def test_a_job_that_needs_a_thread_at_the_exit_goes_back_to_the_queue_and_costs_no_attempt(
    make_queue: MakeQueue, database: Path, how: str
) -> None:
    done = program(PROGRAM, database, how)
    assert done.returncode == 0, done.stderr
    assert "goes back to the queue, because Python is exiting" in done.stderr
    assert done.stderr.count("goes back to the queue") == 1
    queue = make_queue()
    jobs = queue.jobs().jobs
    assert {job.status for job in jobs} == {"queued"}
    first = jobs[-1]
    assert [move.event for move in queue.history(first.id)] == ["enqueue", "start", "release"]
    assert (first.attempt, first.error) == (0, None)


def caused(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


SHUTDOWN = RuntimeError("cannot schedule new futures after interpreter shutdown")
CIRCLE = ValueError("a cause of itself")
CIRCLE.__cause__ = CIRCLE


@pytest.mark.parametrize(
    ("error", "due"),
    [
        (SHUTDOWN, True),
        (RuntimeError("can't create new thread at interpreter shutdown"), True),
        (caused(ValueError("no answer"), SHUTDOWN), True),
        (BaseExceptionGroup("two", [ValueError(), caused(KeyError(), SHUTDOWN)]), True),
        # The application's own executor, which it has closed while Python goes on.
        (RuntimeError("cannot schedule new futures after shutdown"), False),
        (ValueError("cannot schedule new futures after interpreter shutdown"), False),
        (CIRCLE, False),
    ],
    ids=repr,
)
def test_only_what_python_says_at_its_end_counts(error: BaseException, due: bool) -> None:
    assert is_due_to_the_exit(error) is due
