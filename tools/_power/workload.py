"""What is going on when the power fails: the shapes of work that are recorded.

Each is a function of a `Scene`, which runs real queues, with threads of their own, so two runs
of one seed are alike, but not the same: that is why logs are saved.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from sprag.queue import Job

from .log import Durability, Log
from .process import DEADLINE, Process, hurried, tell_end
from .recorder import RecordingVFS, system_recorded

PLAIN = ("quick", "quick", "quick", "steps", "flaky", "again", "fails")


class Scene:
    """One recording: a folder, a log, and the processes that use the file."""

    def __init__(
        self,
        folder: Path,
        seed: int,
        durability: Durability,
        lies: frozenset[str] = frozenset(),
    ) -> None:
        self.folder = folder
        self.noise = random.Random(seed)
        self.log = Log(durability=durability)
        self.known: list[str] = []
        """Jobs that may be requeued."""
        self._lies = lies
        self._numbers = itertools.count()
        self._open: list[str] = []
        self._processes: list[Process] = []

    def process(self, after: int = 0) -> Process:
        """A process that has started."""
        vfs = RecordingVFS(self.folder, self.log, self._lies)
        made = Process(self.folder, vfs, self.log.tell, self.log.durability)
        self._processes.append(made)
        made.start(after)
        return made

    def end(self) -> None:
        """The power fails. What is still open is put away."""
        self.log.close()
        for process in self._processes:
            process.stop()
            process.vfs.unregister()

    # ------------------------------------------------------------ what callers do

    def accept(self, jobs: Sequence[Job], items: Sequence[tuple[int, str]]) -> list[str]:
        """These jobs were acknowledged."""
        pairs = zip(jobs, items, strict=True)
        self.log.tell("accepted", [[job.id, number] for job, (number, _) in pairs])
        self._open += [job.id for job in jobs]
        return [job.id for job in jobs]

    def one(self, process: Process, does: str | None = None, **options: Any) -> str:
        """Enqueue a job."""
        item = (next(self._numbers), does or self.noise.choice(PLAIN))
        options = {"priority": self.noise.randint(-1, 1), **options}
        if item[0] % 2:
            job = process.queue.enqueue(item, **options)
        else:
            job = process.queue.does.using(**options).enqueue(*item)
        return self.accept([job], [item])[0]

    def many(self, process: Process) -> None:
        """Enqueue some at once."""
        items = [(next(self._numbers), self.noise.choice(PLAIN)) for _ in range(5)]
        does = process.queue.does
        self.accept(does.enqueue_many(does.args(*item) for item in items), items)

    def later(self, process: Process) -> None:
        """Enqueue a job that waits for a moment."""
        self.one(process, delay=self.noise.uniform(0.01, 0.05))

    def unique(self, process: Process) -> None:
        """Enqueue a job, unless another one holds the key."""
        item = (next(self._numbers), self.noise.choice(PLAIN))
        held: list[Literal["queued", "unfinished"] | float] = ["queued", "unfinished", 0.05]
        key, until = self.noise.choice("ab"), self.noise.choice(held)
        job = process.queue.enqueue(item, unique=key, unique_for=until)
        if not job.existing:
            self.accept([job], [item])

    def limited(self, process: Process) -> None:
        """Enqueue a job that takes longer than it may."""
        self.one(process, "steps", time_limit=0.003)

    def cancel_queued(self, process: Process) -> None:
        """Cancel a job that waits."""
        self._cancel(process, self.one(process, delay=0.1))

    def cancel_running(self, process: Process) -> None:
        """Cancel a job that runs, and would run for ever."""
        self._cancel(process, self.held(process))

    def held(self, process: Process, max_crashes: int | None = None) -> str:
        """A job that this process runs, and that only cancelling, release or a crash ends."""
        while True:
            id_ = self.one(process, "held", max_crashes=max_crashes)
            end = time.monotonic() + DEADLINE
            while process.queue.get(id_).status == "queued":
                if time.monotonic() > end:
                    raise TimeoutError(f"job {id_} is not started")
                time.sleep(0.001)
            if process.queue.history(id_)[-1].owner == process.owner:
                return id_
            self._cancel(process, id_)  # another process was quicker

    def _cancel(self, process: Process, id_: str) -> None:
        job = process.queue.cancel(id_)
        self.log.tell("cancelled", id_, job.status)

    def requeue(self, process: Process) -> None:
        """Run a job again that has failed or was cancelled."""
        self.rest(process)
        again = [id_ for id_ in self.known if process.queue.get(id_).status != "completed"]
        if again:
            id_ = self.noise.choice(again)
            self.log.tell("requeue", id_)
            process.queue.requeue(id_)
            self.log.tell("requeued", id_)
            self._open.append(id_)

    def prune(self, process: Process) -> None:
        """Delete most of what has ended."""
        self.rest(process)
        process.catch_up()
        self.log.tell("prune")
        process.queue.prune(keep=4)
        self.known = [job.id for job in process.queue.jobs()]

    def rest(self, process: Process) -> None:
        """Wait until all that was enqueued has ended."""
        waiting, self._open = self._open, []
        for id_ in waiting:
            tell_end(self.log.tell, process.queue.wait(id_, DEADLINE))
        self.known += waiting

    def backup(self, process: Process) -> None:
        """Copy the file while work goes on."""
        name = f"backup-{next(self._numbers)}.db"
        seq, _tick = process.engine.store.journal.head()
        process.queue.backup(self.folder / name)
        self.log.tell("backed up", name, seq)

    def mixed(self, processes: Sequence[Process], extra: int) -> None:
        """Each kind of thing at least once, and `extra` more, in an order of chance."""
        often: list[Callable[[Process], object]] = [
            self.one, self.unique, self.many, self.later, self.cancel_running,
            self.cancel_queued,
        ]  # fmt: skip
        steps: list[Callable[[Process], object]] = [
            *often, self.limited, self.unique, self.unique, self.requeue, self.requeue, self.prune,
            *(self.noise.choice(often) for _ in range(extra)),
        ]  # fmt: skip
        self.noise.shuffle(steps)
        for step in (self.many, *steps, self.rest):
            step(self.noise.choice(processes))


def life(scene: Scene) -> None:
    """One process from the making of the file to an orderly end, with a job that it has to
    release, and a second one after it."""
    first = scene.process()
    scene.mixed([first], 6)
    scene.many(first)
    scene.backup(first)
    scene.held(first)
    seq = first.catch_up()
    first.stop()
    second = scene.process(seq)
    for _ in range(3):
        scene.one(second)
    scene.rest(second)
    second.catch_up()


def owners(scene: Scene) -> None:
    """Two processes at once; one is killed under two running jobs, one of which may not be run
    again, and the other takes them."""
    first = scene.process()
    second = scene.process()
    scene.mixed([first, second], 2)
    held = scene.held(second), scene.held(second, max_crashes=1)
    scene.many(second)
    second.die()
    for id_ in held:
        first.queue.wait(id_, DEADLINE)
    third = scene.process(first.catch_up())
    scene.mixed([first, third], 0)
    first.catch_up()
    third.catch_up()
    first.stop()


def short(scene: Scene) -> None:
    """A little of everything, in one process."""
    process = scene.process()
    scene.mixed([process], 0)
    process.catch_up()


SHAPES: dict[str, Callable[[Scene], None]] = {
    "life": life, "owners": owners, "short": short,
}  # fmt: skip


def record(
    folder: Path,
    shape: str,
    seed: int,
    durability: Durability = "full",
    lies: frozenset[str] = frozenset(),
) -> Log:
    """The log of one of `SHAPES`, run in this empty folder."""
    scene = Scene(folder, seed, durability, lies)
    with hurried(), system_recorded(folder, scene.log):
        try:
            SHAPES[shape](scene)
        finally:
            scene.end()
    return scene.log
