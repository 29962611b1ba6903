"""Fixtures of all tests, and the promise that they try the installed wheel."""

from __future__ import annotations

import logging
import os
import signal
import sys
import traceback
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from _pytest.logging import LogCaptureHandler
from hypothesis import HealthCheck, settings

import sprag
from sprag.queue import QueueService
from sprag.queue.threads.logs import settle
from tests.support import DEADLINE, Handler, queue_class, threads_left

# A tree that works says nothing of a wheel that lacks a file.
if not (sprag.__file__.startswith(sys.prefix) or os.environ.get("SPRAG_TEST_TREE")):
    raise pytest.UsageError(
        f"the tests would try {sprag.__file__}, expected the wheel that is installed in "
        f"{sys.prefix}: use tools/test.py, or set SPRAG_TEST_TREE=1 for a quick look at the tree"
    )

# In a script's background it is ignored, and the processes that tests interrupt would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # as under nohup
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


# How long an example takes says how busy the machine is, and nothing of the code.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")


class MakeQueue(Protocol):
    """`make_queue(handler, **options)`: a queue on the test's file, stopped when the test ends.

    `handler(self, item)` may be plain or async; instead of it, a subclass of QueueService.
    """

    def __call__(
        self, handler: Handler | type[QueueService] | None = None, **options: Any
    ) -> QueueService: ...


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Processes that run tests send their reports as UTF-8; what a test logged may be none."""
    report = yield
    report.sections = [
        (name, text.encode("utf-8", "backslashreplace").decode("utf-8"))
        for name, text in report.sections
    ]
    return report


LONGEST = [
    "test_commands", "test_run", "test_demo_page", "test_interrupts", "test_power_bugs",
    "test_machine", "test_processes", "test_torture", "test_in_browser", "test_reentry",
    "test_browser", "test_browser_operating", "test_frameworks", "test_schedules",
    "test_interruptions", "test_demo", "test_every_call", "test_documents", "test_early",
    "test_work", "test_file", "test_power", "test_pictures", "test_payloads", "test_spec",
    "test_guide", "test_visitors", "test_connection", "test_markup_in_browser",
    "test_spec_page", "test_shutdown",
]  # fmt: skip
"""The files of tests that take longest, from the longest on. A wrong order costs time only."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that no run waits at its end for one of its processes."""
    items.sort(
        key=lambda item: (
            LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST)
        )
    )


@pytest.fixture(autouse=True)
def _no_thread_left() -> Iterator[None]:
    """A thread that goes on after its queue was stopped is a bug, and would be taken for one of
    another test."""
    yield
    if stuck := threads_left():
        frames = sys._current_frames().values()
        told = ["".join(traceback.format_stack(frame)) for frame in frames]
        pytest.fail(f"{stuck} still run:\n" + "\n".join(told))


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """The program's commands configure the log of their process, which is that of other tests."""
    root, level, handlers = logging.root, logging.root.level, set(logging.root.handlers)
    yield
    root.setLevel(level)
    for handler in set(root.handlers) - handlers:
        if not isinstance(handler, LogCaptureHandler):  # of pytest's, which has one for each phase
            root.removeHandler(handler)


class SettledLog(pytest.LogCaptureFixture):  # type: ignore[misc]  # final, for types only
    """What was logged, with the lines that a thread of the queue's has yet to write."""

    @property
    def records(self) -> list[logging.LogRecord]:
        settle(DEADLINE)
        return super().records

    @property
    def text(self) -> str:
        settle(DEADLINE)
        return super().text

    def clear(self) -> None:
        settle(DEADLINE)
        super().clear()


@pytest.fixture
def caplog(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """As pytest's own. A test that looks too early would find nothing, or less than there is."""
    caplog.__class__ = SettledLog
    return caplog


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Where the test's database will be."""
    return tmp_path / "jobs.db"


@pytest.fixture
def make_queue(database: Path) -> Iterator[MakeQueue]:
    """Queues that end with the test."""
    made: list[QueueService] = []

    def make(handler: Handler | type[QueueService] | None = None, **options: Any) -> QueueService:
        kind = handler if isinstance(handler, type) else queue_class(handler)
        queue: QueueService = kind(**{"database": database, "grace_seconds": 0.0, **options})
        made.append(queue)
        return queue

    yield make
    for queue in reversed(made):
        queue.stop()
