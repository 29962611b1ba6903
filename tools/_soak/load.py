"""The mixed work of the soak: what is enqueued, cancelled, waited for, told, copied and pruned."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sprag.queue import Job, JobNotFound, QueueService, Signal, WaitTimeout

from .ledger import Ledger
from .work import Awaiting, Plain

READER = Path(__file__).with_name("reader.py")
SIBLING = Path(__file__).with_name("sibling.py")
_KINDS = {"quick": 60, "fails": 5, "flaky": 5, "stubborn": 2, "large": 5}
_BACKLOG = 200
_DEADLINE = 60.0


class Load:
    """From `start()` to `stop()`; `pace` is the length of the run in seconds, by which what is
    done now and then is spread."""

    def __init__(self, path: Path, seed: int, pace: float) -> None:
        self.path = path
        self.plain = Plain(database=path)
        self.awaiting = Awaiting(database=path)
        self.queues: tuple[QueueService, ...] = (self.plain, self.awaiting)
        self.ledgers = {queue.name: Ledger() for queue in self.queues}
        self.hold = min(20.0, pace / 8)
        """How long the reader stays stuck, seconds; then it lets go for as long, 10 at most."""
        self.problems: list[str] = []
        """What the threads of the load ran into."""
        self.done: dict[str, int] = {}
        """How often what was done."""
        self._noise = random.Random(seed)
        self._keep = min(5.0, pace / 6)
        self._pace = pace
        self._stop = threading.Event()
        self._recent: deque[Job] = deque(maxlen=20)
        self._released_at: float | None = time.monotonic()
        self._threads: list[threading.Thread] = []
        self._children: list[subprocess.Popen[str]] = []

    # ------------------------------------------------------------ for the sampler

    def ended(self) -> int:
        """Jobs that came to an end."""
        return sum(ledger.ended for ledger in self.ledgers.values())

    def backlog(self) -> int:
        """Jobs that wait."""
        return sum(queue.counts()["queued"] for queue in self.queues)

    def released(self) -> float:
        """Seconds since the stuck reader let go; 0 while it holds on."""
        at = self._released_at
        return 0.0 if at is None else time.monotonic() - at

    # ------------------------------------------------------------ start and stop

    def start(self) -> None:
        for queue in self.queues:
            queue.subscribe(self.ledgers[queue.name], after=0)
            queue.start()
        self.plain.subscribe(self._fail)
        self.plain.subscribe(self._be_slow)
        self.awaiting.subscribe(self._be_stuck)
        often, seldom = self._pace / 6, self._pace / 3
        for work, pause in (
            (self._enqueue, 0.02),
            (self._enqueue_many, 1.0),
            (self._flood, 0.5),
            (self._cancel, 0.2),
            (self._wait, 0.0),
            (self._wait, 0.0),
            (self._wait, 0.0),
            (self._prune, min(2.0, often / 2)),
            (self._copy, min(30.0, seldom)),
        ):
            self._spawn(self._again, work, pause)
        self._listen(self._hear_reader, READER, self.hold, min(self.hold, 10.0))
        self._listen(self._hear_sibling, SIBLING, min(0.5, often))

    def wait(self, seconds: float) -> None:
        """Let it work for so long, or until one of its threads has run into something."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends and not self.problems:
            time.sleep(0.1)

    def stop(self) -> None:
        """End the load, let the queues run dry, and end the subscribers."""
        self._stop.set()
        for child in self._children:
            if child.stdin is not None:
                child.stdin.close()
        for thread in self._threads:
            thread.join(_DEADLINE)
            if thread.is_alive():
                self.problems.append(f"{thread.name} hangs")
        for child in self._children:
            code = child.wait(_DEADLINE)
            if code:
                self.problems.append(f"process {child.pid} ended with {code}")
        ends = time.monotonic() + _DEADLINE
        while time.monotonic() < ends and not self._dry():
            time.sleep(0.05)
        for queue in self.queues:
            queue.stop()
        for name, ledger in self.ledgers.items():
            self.problems += [f"{name}: {problem}" for problem in ledger.problems()]

    def _dry(self) -> bool:
        # The journal is told in order, so a ledger that has settled once all is asked for has
        # heard of everything.
        return self.backlog() == 0 and all(ledger.settled for ledger in self.ledgers.values())

    def _spawn(self, target: Callable[..., None], *arguments: Any) -> None:
        name = f"soak-{getattr(arguments[0], '__name__', 'work') if arguments else 'work'}"
        thread = threading.Thread(target=target, args=arguments, name=name)
        self._threads.append(thread)
        thread.start()

    def _again(self, work: Callable[[], None], pause: float) -> None:
        try:
            while not self._stop.wait(pause):
                work()
                what = work.__name__.strip("_")
                self.done[what] = self.done.get(what, 0) + 1
        except BaseException as error:  # noqa: BLE001  # told at the end of the run
            self.problems.append(f"{work.__name__}: {error!r}")

    # ------------------------------------------------------------ what is done

    def _enqueue(self) -> None:
        if self.backlog() > _BACKLOG:
            return  # steady, not more than the machine can do
        for _ in range(4):
            queue = self._noise.choice(self.queues)
            [kind] = self._noise.choices(list(_KINDS), list(_KINDS.values()))
            delay = self._noise.uniform(0.01, 0.5) if self._noise.random() < 0.1 else None
            job = queue.enqueue({"kind": kind}, delay=delay, priority=self._noise.randint(-1, 1))
            self.ledgers[queue.name].acknowledge(job.id)
            self._recent.append(job)

    def _enqueue_many(self) -> None:
        for queue in self.queues:
            for job in queue.enqueue_many([{"kind": "quick"}] * 20):
                self.ledgers[queue.name].acknowledge(job.id)

    def _flood(self) -> None:
        job = self.plain.enqueue({"kind": "flood"})
        self.ledgers["plain"].acknowledge(job.id)

    def _cancel(self) -> None:
        job = self._some()
        if job is not None:
            with contextlib.suppress(JobNotFound):
                self._queue(job).cancel(job.id)

    def _wait(self) -> None:
        job = self._some()
        if job is None:
            self._stop.wait(0.05)
            return
        with contextlib.suppress(WaitTimeout, JobNotFound):
            self._queue(job).wait(job.id, timeout=0.05)
        # Most have ended, and those are answered at once.
        self._stop.wait(0.02)

    def _prune(self) -> None:
        # What a ledger has not been told of yet would be missing there.
        behind = time.time() - min(ledger.seen_at for ledger in self.ledgers.values())
        if behind < self._keep / 2:
            for queue in self.queues:
                queue.prune(older_than=self._keep)

    def _copy(self) -> None:
        copy = self.path.with_name("copy.db")
        self.plain.backup(copy)
        copy.unlink()

    def _some(self) -> Job | None:
        recent = list(self._recent)
        return random.choice(recent) if recent else None

    def _queue(self, job: Job) -> QueueService:
        return self.plain if job.queue == "plain" else self.awaiting

    # ------------------------------------------------------------ subscribers

    def _fail(self, _signal: Signal) -> None:
        raise RuntimeError("this subscriber fails each time")

    def _be_slow(self, _signal: Signal) -> None:
        self._stop.wait(0.05)

    def _be_stuck(self, _signal: Signal) -> None:
        self._stop.wait(2 * self._keep)

    # ------------------------------------------------------------ other processes

    def _listen(self, hear: Callable[[str], None], program: Path, *arguments: float) -> None:
        child = subprocess.Popen(
            [sys.executable, str(program), str(self.path), *map(str, arguments)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._children.append(child)
        self._spawn(self._read, child, hear)

    def _read(self, child: subprocess.Popen[str], hear: Callable[[str], None]) -> None:
        if child.stdout is not None:
            for line in child.stdout:
                hear(line)
            child.stdout.close()

    def _hear_reader(self, line: str) -> None:
        self._released_at = None if line == "holding\n" else time.monotonic()

    def _hear_sibling(self, line: str) -> None:
        match line.split():
            case ["enqueued", queue, job_id]:
                self.ledgers[queue].acknowledge(job_id)
            case _:
                self.problems.append(f"the sibling process: {line.strip()}")
