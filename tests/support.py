"""What several test modules need: deadlines, things to wait on, raw SQL, child processes."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from zipfile import ZipFile

import apsw

import sprag
from sprag.queue import Job, QueueService, Signal
from sprag.queue.service import life_of

DEADLINE = 60.0
"""Seconds after which a test gives up on what should long have happened."""

PATIENCE = 600.0
"""Seconds after which a whole program of a test is ended, which works all the time until then."""

LONG = "SPRAG_TEST_LONG" in os.environ
"""Whether tests try all that they can, which `tools/test.py --long` asks for, or a part of it."""

Handler = Callable[[Any, Any], Any]
T = TypeVar("T")


def named(value: object) -> str:
    """The name of a parameter in a test's id: the same in every process that collects it."""
    return re.sub(r" at 0x[0-9a-f]+", "", ascii(value))[:70]


def examples(long: int) -> int:
    """How many examples hypothesis tries, of so many in a long run: each run has others."""
    return long if LONG else long // 3


def part(parts: int) -> str:
    """Which of so many parts of what it could try a test tries, as in "2/5": another one in each
    run, and in a long one all, which is "1/1"."""
    # Not from `random`, whose seed hypothesis sets.
    return "1/1" if LONG else f"{secrets.randbelow(parts) + 1}/{parts}"


def some(things: Iterable[T], parts: int) -> list[T]:
    """Such a part of things."""
    number, step = map(int, part(parts).split("/"))
    return list(things)[number - 1 :: step]


def queue_class(handler: Handler | None = None, name: str = "work") -> type[QueueService]:
    """A queue whose `handle_item(self, item)` is `handler`; without one, it gives the item back."""
    return type("TestQueue", (QueueService,), {"name": name, "handle_item": handler or _echo})


def _echo(queue: QueueService, item: Any) -> Any:
    return item


def wait(event: threading.Event, what: str = "the event") -> None:
    """Return when `event` is set; fail the test after the deadline."""
    assert event.wait(DEADLINE), f"{what} did not happen within {DEADLINE:g} s"


def wait_until(condition: Callable[[], bool], within: float = DEADLINE) -> None:
    """For what makes no signal: look until it is so, or so many seconds have passed."""
    deadline = time.monotonic() + within
    pause = threading.Event()
    seconds = 0.005
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        pause.wait(seconds)
        # To look is work, such as a request, that what is waited for must share the machine with.
        seconds = min(seconds * 1.2, 0.1)


def finished(queue: QueueService, *jobs: Job | str) -> list[Job]:
    """The jobs, each once it has come to an end."""
    return [queue.wait(job if isinstance(job, str) else job.id, DEADLINE) for job in jobs]


def until_stopping(queue: QueueService) -> None:
    """Return when a stop of a queue that was started has begun, and waits for its handlers."""
    pool = life_of(queue).pool
    assert pool is not None
    wait_until(lambda: all(ticket.stopping for ticket in pool._tickets))


def until_interrupted(queue: QueueService, *_: Any) -> None:
    """A handler, or the end of one, that looks again and again whether it is to give way."""
    pause = threading.Event()
    while True:
        queue.check_cancelled()
        pause.wait(0.001)


class Gate:
    """Holds handlers: each that calls `hold()` is counted in and stays until `open()`."""

    def __init__(self) -> None:
        self._held = threading.Semaphore(0)
        self._open = threading.Event()

    def hold(self) -> None:
        self._held.release()
        wait(self._open, "the gate's opening")

    def wait_held(self, count: int = 1) -> None:
        """Return when `count` more handlers have arrived."""
        for _ in range(count):
            assert self._held.acquire(timeout=DEADLINE), "no handler arrived at the gate"

    def open(self) -> None:
        self._open.set()


class Seen:
    """A list that threads append to and a test waits on; itself a callback for `subscribe`."""

    def __init__(self) -> None:
        self._all: list[Any] = []
        self._changed = threading.Condition()

    def __call__(self, entry: Any) -> None:
        with self._changed:
            self._all.append(entry)
            self._changed.notify_all()

    @property
    def all(self) -> list[Any]:
        """What was seen until now."""
        with self._changed:
            return list(self._all)

    def wait_for(self, wanted: Callable[[list[Any]], object]) -> list[Any]:
        """All that was seen, once `wanted(all)` is true."""
        with self._changed:
            met = self._changed.wait_for(lambda: wanted(self._all), DEADLINE)
            assert met, f"not seen within {DEADLINE:g} s; seen: {self._all[-20:]}"
            return list(self._all)

    def wait_status(self, job_id: str, status: str) -> Signal:
        """The first signal that says so of this job."""

        def found(signals: list[Signal]) -> list[Signal]:
            return [s for s in signals if (s["job_id"], s["status"]) == (job_id, status)]

        return found(self.wait_for(found))[0]


@contextmanager
def raw(path: str | Path) -> Iterator[apsw.Connection]:
    """A plain connection to the file, as another program would have it."""
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(int(DEADLINE * 1000))
    try:
        yield connection
    finally:
        connection.close()


def sql(path: str | Path, statement: str, bindings: Sequence[Any] | None = None) -> list[Any]:
    """The rows of one statement, in a connection of its own."""
    with raw(path) as connection:
        return connection.execute(statement, bindings).fetchall()


def unmeasured() -> dict[str, str]:
    """The environment for a child that signals interrupt: without the measuring of coverage.

    Its tracer takes a lock in Python's own lines. A KeyboardInterrupt between two of them leaves it
    locked for ever, and every thread of the child stops at its next new line.
    """
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}


def for_tool(variables: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment for a program in `tools/`, which finds its parts beside itself.

    Elsewhere PYTHONSAFEPATH keeps the tree from being imported in place of the wheel.
    """
    return {name: value for name, value in variables.items() if name != "PYTHONSAFEPATH"}


def zipped(folder: Path) -> Path:
    """The package in a zip, as a zipapp or a frozen program has it."""
    package = Path(sprag.__file__).parent
    archive = folder / "lib.zip"
    with ZipFile(archive, "w") as written:
        for file in package.rglob("*"):
            if file.is_file() and file.suffix != ".pyc":
                written.write(file, Path("sprag") / file.relative_to(package))
    return archive


def program(path: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a program file in a process of its own, to its end; its exit code is the test's matter.

    It is for the program to notice that it hangs: how long it takes depends on the machine.
    """
    command = [sys.executable, *map(str, (path, *arguments))]
    return subprocess.run(
        command, env=unmeasured(), capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def python(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Like `program`, for a line or two that are told best where they are tried."""
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.run(
        command, env=unmeasured(), capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def threads_left() -> list[str]:
    """The queue's own threads that do not end. The one that has stopped a queue is there for a
    moment more than the stop."""
    end = time.monotonic() + DEADLINE
    while threads := [one for one in threading.enumerate() if one.name.startswith("sprag-")]:
        if time.monotonic() > end:
            break
        for thread in threads:
            if thread.ident is None:  # it is about to begin
                threading.Event().wait(0.001)
            else:
                thread.join(max(end - time.monotonic(), 0))
    return [thread.name for thread in threads]


def said(code: str | Path, *arguments: object) -> str:
    """What a program that must succeed printed, without the white space around it."""
    done = program(code, *arguments) if isinstance(code, Path) else python(code, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@contextmanager
def child(code: str | Path, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A program that runs beside the test; killed at the end, if it still runs then."""
    if isinstance(code, Path):
        command = [sys.executable, *map(str, (code, *arguments))]
    else:
        command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    process = subprocess.Popen(
        command, env=unmeasured(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        bufsize=1,
    )  # fmt: skip
    with process:
        try:
            yield process
        finally:
            process.kill()
