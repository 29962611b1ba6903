"""The program in a process of its own: beside the test, in a pipe or in a terminal."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Timer

from tests.support import DEADLINE, PATIENCE, unmeasured

PROGRAM = [sys.executable, "-m", "sprag"]
EACH = Path(__file__).with_name("programs") / "each.py"


def environment(**changes: str) -> dict[str, str]:
    """This process's, without what steers output."""
    steering = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "SPRAG_DATABASE", "TERM")
    kept = {name: value for name, value in unmeasured().items() if name not in steering}
    return {**kept, "TERM": "xterm-256color", **changes}


def measured(**changes: str) -> dict[str, str]:
    """The same, for a program that no signal interrupts."""
    coverage = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
    return {**environment(**changes), **coverage}


def run(
    *arguments: object, cwd: Path | None = None, **changes: str
) -> subprocess.CompletedProcess[str]:
    """The program to its end, its output in pipes."""
    return subprocess.run(
        [*PROGRAM, *map(str, arguments)], cwd=cwd, env=measured(**changes),
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip


def each(
    *lines: Iterable[object], loaded: Sequence[str] = (), cwd: Path | None = None, **changes: str
) -> list[subprocess.CompletedProcess[str]]:
    """The program to its end with each of these command lines, like `run`, in processes that share
    what it loads: modules `loaded` beside its own."""
    given = [list(map(str, line)) for line in lines]
    done = subprocess.run(
        [sys.executable, str(EACH), "sprag.cli.program", *loaded], input=json.dumps(given),
        cwd=cwd, env=measured(**changes), capture_output=True, text=True, timeout=PATIENCE,
        check=True,
    )  # fmt: skip
    return [
        subprocess.CompletedProcess(line, *ended)
        for line, ended in zip(given, json.loads(done.stdout), strict=True)
    ]


@contextmanager
def interruptible() -> Iterator[None]:
    """Children started in this block mind SIGINT, even if this process is told to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def beside(
    *arguments: object, cwd: Path | None = None, **changes: str
) -> Iterator[subprocess.Popen[str]]:
    """The program while the block runs, its output in pipes; killed if it is still there then."""
    with interruptible():
        process = subprocess.Popen(
            [*PROGRAM, *map(str, arguments)], cwd=cwd, env=environment(**changes),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    # Who waits for a line that never comes sees the end of the output instead.
    deadline = Timer(PATIENCE, process.kill)
    deadline.start()
    with process:
        try:
            yield process
        finally:
            deadline.cancel()
            process.kill()


def line_with(process: subprocess.Popen[str], words: str, *, error: bool = True) -> str:
    """Standard error (or output) up to the next line that has these words."""
    stream = process.stderr if error else process.stdout
    assert stream is not None
    seen = []
    for line in stream:
        seen.append(line)
        if words in line:
            return "".join(seen)
    raise AssertionError(f"{words!r} was never printed, but {seen}")


class Screen:
    """A terminal of some size, and the program in it."""

    def __init__(
        self, *arguments: object, columns: int = 100, rows: int = 30, **changes: str
    ) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        with interruptible():
            self.process = subprocess.Popen(
                [*PROGRAM, *map(str, arguments)], stdin=slave, stdout=slave, stderr=slave,
                env=environment(**changes),
            )  # fmt: skip
        os.close(slave)
        self.output = ""
        self._decode = getincrementaldecoder("utf-8")("replace").decode

    def wait_for(self, wanted: Callable[[str], object]) -> str:
        """All that was sent to the terminal, once `wanted` of it is true."""
        deadline = time.monotonic() + DEADLINE
        while not wanted(self.output):
            left = deadline - time.monotonic()
            more = left > 0 and self._read(left)
            assert more, f"not in the terminal: {self.output!r}"
        return self.output

    def type(self, text: str) -> None:
        """What a person would type."""
        os.write(self._master, text.encode())

    def end(self) -> tuple[int, str]:
        """The exit code, and all that was sent to the terminal."""
        while self._read(DEADLINE):
            pass
        return self.process.wait(DEADLINE), self.output

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)

    def _read(self, seconds: float) -> bool:
        if not select.select([self._master], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self._master, 65536)
        except OSError:  # Linux: no process has the terminal open any more
            return False
        # A character may be cut in two by the end of what could be read.
        self.output += self._decode(data)
        return bool(data)


@contextmanager
def screen(
    *arguments: object, columns: int = 100, rows: int = 30, **changes: str
) -> Iterator[Screen]:
    """A `Screen` for this block."""
    shown = Screen(*arguments, columns=columns, rows=rows, **changes)
    try:
        yield shown
    finally:
        shown.close()
