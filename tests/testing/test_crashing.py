"""Crashes at every point of a handler: where they are, what follows, and what is said of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sprag import QueueService, task
from sprag.queue import Job
from sprag.queue.byhand import Crash
from sprag.testing import crash_everywhere, drain, effect
from tests.conftest import MakeQueue


class Payments(QueueService):
    """Charges once, whatever happens; `sloppy` has what it forgets to look at."""

    name = "payments"

    def __init__(self, sloppy: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.sloppy = sloppy
        self.charges: list[Any] = []
        self.jobs_seen: list[Job] = []

    def handle_item(self, item: Any) -> str:
        try:
            self.report_progress(1, 2)
            self.check_cancelled()
            if self.sloppy or item not in self.charges:
                self.charges.append(item)
            effect("charged")
        except Exception as error:
            raise AssertionError("a crash was caught as an Exception") from error
        return f"charged {item}"

    @task
    async def refund(self, item: int) -> int:
        self.charges.append(-item)
        effect("refunded")
        return len(self.charges)


class Sloppy(Payments):
    """Charges again and again."""

    def __init__(self, **options: Any) -> None:
        super().__init__(sloppy=True, **options)


POINTS = ["report_progress()", "check_cancelled()", "effect('charged')", "the end"]


def charges(queue: QueueService, job: Job) -> list[Any]:
    assert isinstance(queue, Payments)
    return queue.charges


def test_a_handler_that_may_be_repeated_passes_at_all_its_points() -> None:
    assert crash_everywhere(Payments, 7, check=charges) == POINTS


def test_what_differs_is_said_for_each_point() -> None:
    with pytest.raises(AssertionError) as caught:
        crash_everywhere(Sloppy, 7, check=charges)
    assert str(caught.value).splitlines() == [
        "the handler cannot be run again safely:",
        "after a crash at point 3 of 4, effect('charged'): expected [7], as without a crash, "
        "got [7, 7]",
        "after a crash at point 4 of 4, the end: expected [7], as without a crash, got [7, 7]",
    ]


def test_a_task_and_its_result_are_compared_without_a_check() -> None:
    with pytest.raises(AssertionError, match=r"effect\('refunded'\): expected 1, .* got 2"):
        crash_everywhere(Payments, {"item": 7}, task="refund")


def test_each_crash_is_that_of_a_process_in_the_journal(caplog: pytest.LogCaptureFixture) -> None:
    histories = []

    def check(queue: QueueService, job: Job) -> str:
        histories.append([move.event for move in queue.history(job.id)])
        assert job.crashes == len(histories[-1]) // 4
        return str(job.result)

    crash_everywhere(Payments, 7, check=check)
    assert histories == [["enqueue", "start", "complete"]] + 4 * [
        ["enqueue", "start", "recover", "start", "complete"]
    ]


def test_what_a_check_raises_is_told_with_the_point() -> None:
    def check(queue: QueueService, job: Job) -> None:
        assert job.crashes == 0, "it crashed"

    with pytest.raises(AssertionError, match=r"point 1 of 4, report_progress\(\): AssertionError"):
        crash_everywhere(Payments, 7, check=check)


def test_a_handler_that_fails_without_a_crash_is_refused() -> None:
    class Failing(QueueService):
        name = "failing"

        def handle_item(self, item: Any) -> None:
            raise LookupError("no use")

    with pytest.raises(AssertionError, match="completed, got failed: LookupError: no use"):
        crash_everywhere(Failing, 1)


def test_a_handler_that_swallows_the_crash_has_crashed_nevertheless() -> None:
    class Stubborn(QueueService):
        name = "stubborn"

        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.crashes = 0

        def handle_item(self, item: Any) -> int:
            for _ in range(2):
                try:
                    effect("done")
                except Crash:
                    self.crashes += 1
            return self.current_job.run.starts

    with pytest.raises(AssertionError) as caught:
        crash_everywhere(Stubborn, 1)
    assert str(caught.value).count("expected 1, as without a crash, got 2") == 3


def test_a_handler_that_does_something_else_each_time_is_told_of() -> None:
    runs = []

    class Fickle(QueueService):
        name = "fickle"

        def handle_item(self, item: Any) -> None:
            runs.append(item)
            effect(f"run {len(runs)}")

    with pytest.raises(AssertionError, match="expected the same points in each run"):
        crash_everywhere(Fickle, 1)


def test_an_effect_does_nothing_where_nobody_crashes_it(make_queue: MakeQueue) -> None:
    effect("outside")
    queue = make_queue(Payments)
    job = queue.enqueue(1)
    [done] = drain(queue)
    assert (done.id, done.result) == (job.id, "charged 1")
    with queue:
        assert queue.wait(queue.enqueue(2).id, 60).result == "charged 2"


def test_nothing_is_left_of_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    crash_everywhere(Payments, 7)
    assert list(tmp_path.iterdir()) == []
