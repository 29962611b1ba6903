"""Processes that try cases: one that hangs or crashes is a finding, and another takes its place."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue

from .cases import Case

TOOLS = Path(__file__).resolve().parents[1]
_TAIL = 4000


class Runner:
    """Tries cases one after another in a child process, which lives as long as it can."""

    def __init__(self, python: Path, env: Mapping[str, str], folder: Path, deadline: float) -> None:
        self._python = python
        self._env = env
        self._deadline = deadline
        self._room = Path(tempfile.mkdtemp(prefix="child-", dir=folder))
        self._child: subprocess.Popen[str] | None = None

    def run(self, case: Case) -> list[str]:
        """What is wrong with what came of a case."""
        child = self._child = self._child or self._start()
        if child.stdin is None or child.stdout is None:
            raise AssertionError("it was started with pipes")
        # Its own deadline ends a process that runs Python; this one any.
        guard = threading.Timer(self._deadline + 20, child.kill)
        guard.start()
        try:
            child.stdin.write(json.dumps(case.shape()) + "\n")
            child.stdin.flush()
            answer = child.stdout.readline()
        except BrokenPipeError:
            answer = ""
        finally:
            guard.cancel()
        if answer:
            problems: list[str] = json.loads(answer)["problems"]
            return problems
        code = child.wait()
        self.close()
        said = (self._room / "errors").read_text(errors="replace")
        return [f"the process ended with {code}, as in a crash or after {self._deadline:g} s: "
                f"{said[-_TAIL:]}"]  # fmt: skip

    def close(self) -> None:
        """End the process."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            for stream in (self._child.stdin, self._child.stdout):
                if stream is not None:
                    stream.close()
            self._child = None

    def _start(self) -> subprocess.Popen[str]:
        rooms = Path(tempfile.mkdtemp(prefix="rooms-", dir=self._room))
        path = os.pathsep.join([str(TOOLS), *filter(None, [self._env.get("PYTHONPATH")])])
        with (self._room / "errors").open("wb") as errors:
            return subprocess.Popen(
                [str(self._python), "-m", "_fuzz.child", str(self._deadline), str(rooms)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
                env={**self._env, "PYTHONPATH": path},
            )  # fmt: skip


@contextmanager
def _rooms(folder: Path | None) -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="sprag-fuzz-", dir=folder))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def tried(
    cases: Iterable[Case],
    *,
    python: Path | None = None,
    env: Mapping[str, str] | None = None,
    folder: Path | None = None,
    processes: int = 2,
    deadline: float = 120.0,
) -> Iterator[tuple[Case, list[str]]]:
    """Each case with what is wrong with what came of it, as they end."""
    left = iter(cases)
    taking = threading.Lock()
    done: SimpleQueue[tuple[Case, list[str]] | BaseException | None] = SimpleQueue()
    stopped = threading.Event()

    def work(rooms: Path) -> None:
        runner = Runner(python or Path(sys.executable), env or os.environ, rooms, deadline)
        try:
            while not stopped.is_set():
                with taking:
                    case = next(left, None)
                if case is None:
                    break
                done.put((case, runner.run(case)))
        except BaseException as error:  # noqa: BLE001 - raised again where the answers are read
            done.put(error)
        finally:
            runner.close()
            done.put(None)

    with _rooms(folder) as rooms:
        threads = [threading.Thread(target=work, args=(rooms,)) for _ in range(processes)]
        for thread in threads:
            thread.start()
        try:
            running = len(threads)
            while running:
                answer = done.get()
                if answer is None:
                    running -= 1
                elif isinstance(answer, BaseException):
                    raise answer
                else:
                    yield answer
        finally:
            stopped.set()
            for thread in threads:
                thread.join()
