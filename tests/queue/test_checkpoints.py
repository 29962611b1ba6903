"""The log stays short; and if a reader keeps it from that, somebody is told."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sprag.queue import QueueService
from sprag.queue.file import checkpoints
from sprag.queue.file.checkpoints import PAGE_BYTES
from sprag.queue.file.readers import _reading, readers
from sprag.queue.service import life_of
from tests.conftest import MakeQueue
from tests.support import DEADLINE, finished, unmeasured, wait_until

READER = Path(__file__).parent / "programs" / "reader.py"
GROWN = "the write-ahead log"


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logs that are long after some dozen pages."""
    monkeypatch.setattr(checkpoints, "LENGTHS", {"full": (20, 20), "normal": (20, 40)})
    monkeypatch.setattr(checkpoints, "_AGAIN_PAGES", 10)
    monkeypatch.setattr(checkpoints, "_WARN_PAGES", 200)
    monkeypatch.setattr(checkpoints, "_ALONE_MILLISECONDS", 5)


@contextmanager
def reader(database: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that reads an old state of the file until it is told not to."""
    process = subprocess.Popen(
        [sys.executable, str(READER), str(database)],
        env=unmeasured(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "reads\n"
            yield process
        finally:
            process.kill()


def end(process: subprocess.Popen[str]) -> None:
    process.communicate("\n", timeout=DEADLINE)


def one_by_one(queue: QueueService) -> None:
    queue.enqueue("x" * 1000)


def many(queue: QueueService) -> None:
    queue.enqueue_many(["x" * 1000] * 20)


def run(queue: QueueService) -> None:
    finished(queue, queue.enqueue("x" * 1000))


def come_and_go(queue: QueueService) -> None:
    queue.enqueue("x" * 1000)
    queue.stop()  # as a command line does


@pytest.mark.parametrize("durability", ["full", "normal"])
@pytest.mark.parametrize("work", [one_by_one, many, run, come_and_go])
def test_a_reader_that_never_ends_is_told_of_with_its_process(
    make_queue: MakeQueue,
    database: Path,
    caplog: pytest.LogCaptureFixture,
    durability: str,
    work: Callable[[QueueService], None],
) -> None:
    caplog.set_level(logging.WARNING, "sprag.queue")
    queue = make_queue(durability=durability)
    queue.enqueue("first")
    if work is run:
        queue.start()
    with reader(database) as process:
        for _ in range(1000):
            work(queue)
            if GROWN in caplog.text:
                break
        wait_until(lambda: GROWN in caplog.text)
        [told] = [r.getMessage() for r in caplog.records if GROWN in r.getMessage()][:1]
        assert f"{database}-wal has grown to 1 MB, and is expected to stay below 1 MB" in told
        if sys.platform == "linux":
            assert f"Reading at this moment: process {process.pid} (python" in told
        else:
            assert "lsof" in told
        assert Path(f"{database}-wal").stat().st_size > 200 * PAGE_BYTES
        end(process)
    # The log is used again from its beginning once nobody is in the way.
    one_by_one(queue)
    pages = life_of(queue).open().database.checkpoints
    for _ in range(1000):
        one_by_one(queue)
        if pages.pages < 40:
            break
    assert pages.pages < 40


def test_a_log_that_goes_on_growing_is_told_of_again_when_it_has_doubled(
    make_queue: MakeQueue, database: Path, caplog: pytest.LogCaptureFixture
) -> None:
    queue = make_queue()
    queue.enqueue("first")
    with reader(database):
        pages = life_of(queue).open().database.checkpoints
        while pages.pages < 1300:
            many(queue)
        wait_until(lambda: caplog.text.count(GROWN) >= 3)
        assert caplog.text.count(GROWN) == 3  # at 200, 400 and 800 pages, or a little later


def test_readers_that_come_and_go_are_no_matter(
    make_queue: MakeQueue, database: Path, caplog: pytest.LogCaptureFixture
) -> None:
    queue = make_queue()
    longest = 0
    for n in range(60):
        queue.enqueue_many(["x" * 1000] * 5)
        queue.jobs()
        if n % 20 == 0:
            with reader(database) as process:
                queue.enqueue_many(["x" * 1000] * 5)
                end(process)
        longest = max(longest, life_of(queue).open().database.checkpoints.pages)
    assert longest < 200
    assert GROWN not in caplog.text


def test_a_reader_in_this_process_is_named_as_such(database: Path, make_queue: MakeQueue) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux tells who has a lock")
    queue = make_queue()
    queue.enqueue(1)
    assert readers(str(database)) == []
    with life_of(queue).open().database.snapshot() as connection:
        connection.execute("SELECT count(*) FROM job").fetchall()
        assert readers(str(database)) == ["this process itself"]


def test_only_the_marks_of_readers_count() -> None:
    assert _reading("7: POSIX  ADVISORY  READ 4711 fd:01:131 124 124", "131") == 4711
    for other in (
        "7: POSIX  ADVISORY  WRITE 4711 fd:01:131 120 120",
        "7: POSIX  ADVISORY  READ 4711 fd:01:131 128 128",
        "7: POSIX  ADVISORY  READ 4711 fd:01:132 124 124",
        "7: POSIX  ADVISORY  READ 0 fd:01:131 124 124",
        "7: -> POSIX  ADVISORY  READ 4711 fd:01:131 124 124",
        "7: FLOCK  ADVISORY  READ 4711 fd:01:131 0 EOF",
        "",
    ):
        assert _reading(other, "131") is None
