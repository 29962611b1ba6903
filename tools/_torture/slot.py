"""One of the processes that are killed and started again: what it is and all that it ever said."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

CHILD = Path(__file__).with_name("child.py")


@dataclass(frozen=True)
class Announced:
    """A signal that a subscriber was given."""

    seq: int
    job: str
    event: str
    status: str


@dataclass
class Life:
    """One process of a slot, from its start to its end."""

    process: subprocess.Popen[bytes]
    log: Path
    asked: str | None = None
    """How it was asked to end: "kill" or "term"; None while nobody did."""
    ended_at: float = float("inf")
    """Not before this time, unix seconds, it may have been dead."""
    ready: bool = False
    drained: bool = False
    stopped_until: float | None = None
    enqueued: dict[str, str] = field(default_factory=dict)
    """Kind by job id."""
    cancelled: set[str] = field(default_factory=set)
    runs: list[tuple[str, int]] = field(default_factory=list)
    signals: list[Announced] = field(default_factory=list)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    @property
    def clean(self) -> bool:
        """Whether it left in order, and signed off."""
        return self.process.returncode == 128 + signal.SIGTERM or self.drained


class Slot:
    """A place for one process at a time; its subscriber resumes where its predecessor's ended."""

    def __init__(
        self, name: str, folder: Path, command: Sequence[str], env: dict[str, str]
    ) -> None:
        self.name = name
        self.lives: list[Life] = []
        self._folder = folder
        self._command = list(command)
        self._env = env
        self._reader: threading.Thread | None = None
        self._cursor = 0

    @property
    def life(self) -> Life | None:
        """The process that runs now, as far as is known."""
        return self.lives[-1] if self.lives and self._reader is not None else None

    def start(self, seed: int, *more: str) -> Life:
        """Start a process."""
        log = self._folder / f"{self.name}-{len(self.lives)}.log"
        command = [*self._command, "--seed", str(seed), "--after", str(self._cursor), *more]
        with log.open("wb") as errors:
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=errors, stdin=subprocess.DEVNULL,
                env=self._env,
            )  # fmt: skip
        life = Life(process, log)
        self.lives.append(life)
        self._reader = threading.Thread(target=self._listen, args=(life,), daemon=True)
        self._reader.start()
        return life

    def kill(self) -> None:
        """SIGKILL, whatever it does just now."""
        life = self.life
        if life is not None:
            life.asked = "kill"
            life.ended_at = min(life.ended_at, time.time())
            life.process.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """SIGTERM: it ends in its own time."""
        life = self.life
        if life is not None and life.asked is None:
            life.asked = "term"
            life.process.send_signal(signal.SIGTERM)

    def freeze(self, seconds: float) -> None:
        """SIGSTOP; `thaw` sends SIGCONT when it is time."""
        life = self.life
        if life is not None and life.stopped_until is None:
            life.stopped_until = time.monotonic() + seconds
            life.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT, if its time has come."""
        life = self.life
        if life is None or life.stopped_until is None:
            return
        if time.monotonic() >= life.stopped_until:
            life.stopped_until = None
            life.process.send_signal(signal.SIGCONT)

    def reap(self, timeout: float = 0) -> bool:
        """Whether the process has ended; all that it said is known then."""
        life = self.life
        if life is None:
            return True
        try:
            life.process.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        if self._reader is not None:
            self._reader.join()
            self._reader = None
        if life.signals:
            self._cursor = max(entry.seq for entry in life.signals)
        return True

    def _listen(self, life: Life) -> None:
        if life.process.stdout is None:
            return
        with life.process.stdout as lines:
            for line in lines:
                _note(life, line.decode().split())


def _note(life: Life, words: Sequence[str]) -> None:
    match words:
        case ["ready"]:
            life.ready = True
        case ["drained"]:
            life.drained = True
        case ["enqueued", job, kind]:
            life.enqueued[job] = kind
        case ["cancelled", job, _status]:
            life.cancelled.add(job)
        case ["requeued", _job]:
            pass
        case ["running", job, starts]:
            life.runs.append((job, int(starts)))
        case ["dying", _job, at]:
            life.asked = "poison"
            life.ended_at = min(life.ended_at, float(at))
        case ["signal", seq, job, event, status]:
            life.signals.append(Announced(int(seq), job, event, status))
        case _:
            raise ValueError(f"process {os.getpid()} does not understand {words!r}")
