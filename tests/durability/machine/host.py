"""A computer for `test_machine`: its processes are inside this one, its power can be cut."""

from __future__ import annotations

import json
import os
import random
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

from _power.check import place
from _power.disk import Disk, Files
from _power.log import Durability, Log, Op
from _power.process import DATABASE
from _power.recorder import RecordingVFS, system_recorded
from sprag.queue.file.database import Database
from sprag.queue.liveness.owners import OwnerLock
from sprag.queue.liveness.recovery import Recovery
from sprag.queue.store.store import Store
from sprag.queue.store.tickets import Run
from sprag.queue.work.timetable import Timetable


class Clock:
    """Stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Host:
    """A file on a disk that is a model, and a clock. All that is done to the file through `vfs`,
    and to the lock files beside it, is in the log."""

    def __init__(self, durability: Durability) -> None:
        self.durability: Durability = durability
        self.clock = Clock()
        self._folder = Path(tempfile.mkdtemp(prefix="sprag-machine-"))
        self._boots = 0
        self.boot({})

    def boot(self, files: Files) -> None:
        """The power is there, and these are the files."""
        self._boots += 1
        folder = self._folder / str(self._boots)
        place(folder, files)
        self.path = folder / DATABASE
        self.log = Log(files, self.durability)
        self._running = ExitStack()
        vfs = RecordingVFS(folder, self.log, sync_seconds=0)
        self._running.callback(vfs.unregister)
        self.vfs = vfs.name
        self._running.enter_context(system_recorded(folder, self.log))

    def image(self, point: int, model: str, seed: int) -> Files:
        """What is found after a power cut when the log was so long, by one of `MODELS`."""
        disk = Disk(self.log.initial)
        for number, entry in enumerate(self.log.entries[:point]):
            if isinstance(entry, Op):
                disk.advance(number, entry)
        return disk.image(model, random.Random(seed))

    def shut(self) -> None:
        """To be called when all that was open is closed."""
        self._running.close()
        shutil.rmtree(self.path.parent, ignore_errors=True)

    def close(self) -> None:
        """Leave nothing behind."""
        self.shut()
        shutil.rmtree(self._folder)


class Owner:
    """As much of a process as runs jobs. `tasks` are those that it knows, with None for jobs that
    belong to none."""

    def __init__(self, host: Host, tasks: tuple[str | None, ...] = (None,)) -> None:
        self.tasks = tasks
        self.database = Database(str(host.path), host.durability, vfs=host.vfs)
        self.store = Store(self.database, host.clock)
        folder = Path(f"{host.path}-sprag")
        self.lock = OwnerLock(folder)
        self.id = self.store.owners.add(self.lock.token, os.getpid(), "host")
        self.recovery = Recovery(self.store, folder, self.id)
        self.timetable = Timetable(self.store)
        self.runs: dict[str, Run] = {}
        self.alive = True
        self.speaks = True
        """Whether it can still write, if out of turn."""

    @property
    def claims(self) -> str | None:
        """Its tasks, as its tickets have them."""
        return None if self.tasks == (None,) else json.dumps(self.tasks)

    def die(self) -> None:
        """What the kernel does to the lock of a killed process, and nothing else."""
        if self.lock._fd is not None:
            os.close(self.lock._fd)
            self.lock._fd = None
        self.alive = False

    def close(self) -> None:
        """Nothing is left of it, except for what it wrote."""
        self.database.close()
        self.die()
        self.speaks = False
