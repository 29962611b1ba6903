"""A place for one process at a time; it is started, paused and ended here."""

from __future__ import annotations

import math
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from .life import Life

CHILD = Path(__file__).with_name("child.py")


class Slot:
    """Its processes follow one another; the subscriber of each resumes where that of its
    predecessor ended, and the first enqueue repeats the one that was not answered."""

    def __init__(
        self, name: str, folder: Path, command: Sequence[str], env: dict[str, str]
    ) -> None:
        self.name = name
        self.lives: list[Life] = []
        self.folder = folder
        self._command = list(command)
        self._env = env
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._cursor = 0
        # Monotonic times at which something is due.
        self._thaw_at = math.inf
        self._kill_at = math.inf

    @property
    def life(self) -> Life | None:
        """The process that runs now, as far as is known."""
        return self.lives[-1] if self._process is not None else None

    def start(self, seed: int, *more: str, kill_when_opening: float | None = None) -> Life:
        """Start a process; kill it so many seconds after it has begun to open the file."""
        log = self.folder / f"{self.name}-{len(self.lives)}.log"
        command = [*self._command, "--seed", str(seed), "--after", str(self._cursor), *more]
        with log.open("wb") as errors:
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=errors, stdin=subprocess.DEVNULL,
                env=self._env,
            )  # fmt: skip
        life = Life(process.pid, log)
        self._process = process
        self._thaw_at = self._kill_at = math.inf
        self._reader = threading.Thread(
            target=self._listen, args=(process, life, kill_when_opening), daemon=True
        )
        self.lives.append(life)
        self._reader.start()
        return life

    def unanswered(self) -> list[str]:
        """Wish, kind and number of the last enqueue of the latest process, if that is a single
        one and its answer never came."""
        life = self.lives[-1] if self.lives else None
        if life is None or not life.asking:
            return []
        wish, (kind, number) = next(reversed(life.asking.items()))
        answered = wish in life.enqueued or "-" in wish or kind == "poison"
        return [] if answered else [wish, kind, number]

    def kill(self) -> bool:
        """SIGKILL, whatever it does just now; whether there was a process."""
        life = self.life
        if life is None or self._process is None:
            return False
        life.asked = "kill"
        life.ended_at = min(life.ended_at, time.time())
        self._process.send_signal(signal.SIGKILL)
        return True

    def terminate(self, kill_after: float = math.inf) -> bool:
        """SIGTERM: it ends in its own time, or is killed after so many seconds. Whether it was
        sent."""
        life = self.life
        if life is None or self._process is None or life.asked is not None:
            return False
        life.asked = "term"
        life.termed_at = time.time()
        self._process.send_signal(signal.SIGTERM)
        self._kill_at = time.monotonic() + kill_after
        return True

    def freeze(self, seconds: float) -> bool:
        """SIGSTOP; `tend` sends SIGCONT when it is time. Whether it was sent."""
        life = self.life
        if life is None or self._process is None or self._thaw_at < math.inf:
            return False
        self._thaw_at = time.monotonic() + seconds
        # Later than its last step, if not by much.
        self._process.send_signal(signal.SIGSTOP)
        life.pauses.append((time.time(), math.inf))
        return True

    def tend(self) -> None:
        """Send what is due: SIGCONT to who was paused, SIGKILL to who was to have some grace."""
        life = self.life
        if life is None or self._process is None:
            return
        now = time.monotonic()
        if now >= self._kill_at:
            self._kill_at = math.inf
            self.kill()
        if now >= self._thaw_at:
            self._thaw_at = math.inf
            since, _ = life.pauses[-1]
            life.pauses[-1] = (since, time.time())
            self._process.send_signal(signal.SIGCONT)

    def reap(self, timeout: float = 0) -> bool:
        """Whether the process has ended; all that it said is known then."""
        life = self.life
        if life is None or self._process is None:
            return True
        try:
            life.code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        if self._reader is not None:
            self._reader.join()
        self._process = self._reader = None
        if life.signals:
            self._cursor = max(entry.seq for entry in life.signals)
        return True

    def _listen(
        self, process: subprocess.Popen[bytes], life: Life, kill_when_opening: float | None
    ) -> None:
        if process.stdout is None:
            return
        with process.stdout as lines:
            for line in lines:
                life.note(line)
                if kill_when_opening is not None and life.opened_at < math.inf:
                    # Its only line until it is ready, so nothing is kept waiting here.
                    time.sleep(kill_when_opening)
                    kill_when_opening = None
                    life.asked = "kill"
                    life.ended_at = min(life.ended_at, time.time())
                    process.send_signal(signal.SIGKILL)
