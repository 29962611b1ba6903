"""Where runs are played: one file, the processes that share it, their workers and callers."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol, Self

import apsw

import _oracle as oracle
from sprag.queue import roster
from sprag.queue.backoff import Backoff
from sprag.queue.file.database import Database
from sprag.queue.service import life_of
from sprag.queue.store.tickets import Exchange, Options
from sprag.queue.work import engine as engine_module
from sprag.queue.work import running
from sprag.queue.work.execution import Handler
from sprag.queue.work.failures import Failures
from sprag.queue.work.policy import Policy
from sprag.queue.work.running import RunningJob

from . import primitives
from .file import LOCKS, Stepped
from .parts import Engine, WorkerPool, in_steps
from .scheduler import WRITE, Actor, Choose, Footprint, Run, Step, Stuck

QUEUE: Final = "work"
_STARTS: Final = "SELECT starts FROM job WHERE id = ?"


@dataclass
class Handled:
    """One call of the handler."""

    job: RunningJob
    beside: list[int]
    """The `starts` of other calls for the same job that had not ended when it began."""
    by: Actor | None
    started: bool
    """Whether its start was committed when it began."""
    ended: bool = False


@dataclass
class Scene:
    """What one run is about."""

    run: Run
    path: Path
    eye: apsw.Connection
    """Sees what is committed."""
    accepted: list[str] = field(default_factory=list)
    """The ids whose enqueue was acknowledged."""
    handled: list[Handled] = field(default_factory=list)
    engines: dict[str, Any] = field(default_factory=dict)
    lost: set[int] = field(default_factory=set)
    """The owners whose lock is free, though they did not leave."""
    queues: list[Any] = field(default_factory=list)
    """The QueueServices there are."""
    slots: int = 0
    """How many slots of schedules have come."""

    @property
    def pools(self) -> list[Any]:
        """All pools of workers that were made."""
        made = [note[1] for note in self.run.notes if note[0] == "pool"]
        return [pool for pool in made if hasattr(pool, "_threads")]

    @property
    def opened(self) -> list[Any]:
        """All engines that were made, those of QueueServices too."""
        made = [note[1] for note in self.run.notes if note[0] == "engine"]
        return [engine for engine in made if hasattr(engine, "database")]

    # ------------------------------------------------------------ who there is

    def process(self, name: str) -> Any:
        """Another process, as far as an engine of its own makes one; it may own jobs."""
        self.run.process = name
        engine = self.engines[name] = Engine(str(self.path), "normal", None, 0, 10.0, False)
        engine.users = 1
        engine.ownership.take()
        return engine

    def workers(
        self,
        name: str,
        count: int,
        handler: Callable[[RunningJob], object],
        failures: Failures | None = None,
        tasks: tuple[str | None, ...] = (None,),
    ) -> Any:
        """Workers of a process, which know these tasks: the actors "<name> 1", "<name> 2"."""
        self.run.process = name
        handlers = dict.fromkeys(tasks, Handler(self.handler(handler), Policy(Backoff(0))))
        known = None if tasks == (None,) else json.dumps(tasks)
        return WorkerPool(self.engines[name], QUEUE, count, handlers, known, 1 << 20, failures)

    def failures(self) -> Failures:
        """An `on_failure` that is noted."""
        notes = self.run.notes
        return Failures(QUEUE, lambda job, _: notes.append(("failure", job.id, job.status)))

    def actor(self, name: str, does: Callable[..., object], *args: Any, of: str = "") -> None:
        """Someone else who does something."""
        self.run.process = of or None
        self.run.spawn(name, lambda: does(*args))

    def handler(self, does: Callable[[RunningJob], object]) -> Callable[[Any], Any]:
        """A handler that does this; its result says which run it was."""

        def handle(_item: Any) -> Any:
            job = running.current()
            assert job is not None  # noqa: S101
            self.run.pause("handler begins")
            self.run.touch(("handler", job.id), WRITE)
            beside = [
                other.job.run.starts
                for other in self.handled
                if other.job.id == job.id and not other.ended
            ]
            starts = self.eye.execute(_STARTS, (job.id,)).get
            handled = Handled(job, beside, self.run.actor(), starts >= job.run.starts)
            self.handled.append(handled)
            try:
                does(job)
            finally:
                self.run.pause("handler ends")
                self.run.touch(("handler", job.id), WRITE)
                handled.ended = True
            return job.run.starts

        return handle

    # ------------------------------------------------------------ what they do

    def enqueue(self, engine: Any, *ids: str, **options: Any) -> None:
        """Accept jobs."""
        engine.store.enqueue(Options(QUEUE, **options), ids, ["1"] * len(ids))
        self.accepted += ids

    def enqueue_unique(self, engine: Any, id_: str) -> None:
        """Accept a job, unless another one holds the key and has not ended."""
        options = Options(QUEUE, unique_for="unfinished")
        [job] = engine.store.enqueue_each(options, [id_], ["1"], ["key"])
        self.run.notes.append(("unique", id_, job))
        self.accepted += [] if job.existing else [id_]

    def started(self, engine: Any) -> Exchange:
        """A worker of no thread yet, that has a job."""
        ticket = Exchange(QUEUE, engine.owner)
        engine.store.exchange(ticket, None)
        return ticket

    def let_go(self, name: str) -> None:
        """The kernel lets go of a process's lock, as at its death; but it goes on."""
        self.run.pause("lose the lock")
        self._unlock(name)

    def kill(self, name: str) -> None:
        """A process dies."""
        self.run.pause("die")
        self.run.touch(("process", name), WRITE)
        self.run.kill(name)
        self._unlock(name)
        self.engines[name].database.closed = True

    def _unlock(self, name: str) -> None:
        self.run.touch(LOCKS, WRITE)
        self.lost.add(self.engines[name].owner)
        _free(self.engines[name])


def _free(engine: Any) -> None:
    """Close what an owner's lock has open, and nothing else, as the kernel does it."""
    ownership = getattr(engine, "ownership", None)
    lock = None if ownership is None else ownership._lock
    if lock is not None and lock._fd is not None:
        os.close(lock._fd)
        lock._fd = None
    if lock is not None:
        lock._folder.close()


@dataclass
class Played:
    """A run that is over."""

    steps: list[Step]
    left: list[tuple[str, Footprint]]
    problems: list[str]
    schedule: str
    journal: tuple[Any, ...]


class Judge(Protocol):
    """Says what is wrong: when nobody can go on by himself, and once the keepers have looked."""

    def early(self, scene: Scene) -> list[str]: ...
    def late(self, scene: Scene, file: oracle.File) -> list[str]: ...


class Stage:
    """Plays one run after the other, on one file that is emptied in between."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "jobs.db"
        Database(str(self._path), "normal").close()
        self._eye = apsw.Connection(str(self._path))
        # What runs leave is swept away as no queue may do it.
        self._broom = apsw.Connection(str(self._path))
        self._broom.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 0)
        self._databases: list[Stepped] = []
        self._used = 0
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(in_steps(self._database))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        for database in self._databases:
            database.closed = False
            database.turn = threading.Lock()
            Database.close(database)
        self._eye.close()
        self._broom.close()

    def play(
        self,
        setting: Callable[[Scene], object],
        choose: Choose,
        judge: Judge,
        pauses: frozenset[str] | None = None,
    ) -> Played:
        """One run in the order that `choose` says; judged unless that ends it."""
        ended = []

        def until(enabled: list[str], steps: list[Step]) -> str | None:
            chosen = choose(enabled, steps)
            ended.extend([] if chosen else ["cut"])
            return chosen

        run = Run(until, pauses)
        primitives.play(run)
        engine_module._registry = primitives.RLock()  # type: ignore[misc, assignment]
        scene = Scene(run, self._path, self._eye)
        try:
            setting(scene)
            run.go()
            run.rest()
            steps, told = run.steps, run.told()
            left = [
                (actor.name, {actor.pending: WRITE})
                for actor in run.actors.values()
                if not (actor.ended or actor.dead) and actor.pending is not None
            ]
            problems: list[str] = []
            journal: tuple[Any, ...] = ()
            if not ended:
                problems += judge.early(scene)
                problems += self._watch(scene)
                file = oracle.read(self._eye)
                journal = tuple((m.key, m.event, m.owner) for m in file.moves)
                problems += [*run.raised, *oracle.problems(file), *judge.late(scene, file)]
        finally:
            run.abort()
            self._sweep(scene)
            primitives.play(None)
        return Played(steps, left, problems, told, journal)

    def _watch(self, scene: Scene) -> list[str]:
        """The keepers of the processes that live look, and all goes on until nothing can."""
        for engine in scene.opened:
            if not engine.database.closed:
                try:
                    engine.keeper.look()
                    scene.run.go()
                except Stuck as stuck:
                    return [str(stuck)]
        return []

    def _database(self, *_args: Any, **_options: Any) -> Database:
        if self._used == len(self._databases):
            fresh = Stepped(str(self._path), "normal")
            fresh.number = self._used
            self._databases.append(fresh)
        database = self._databases[self._used]
        database.closed = False
        database.turn = primitives.Lock()  # type: ignore[assignment]
        self._used += 1
        return database

    def _sweep(self, scene: Scene) -> None:
        for database in self._databases:
            if database.writer.in_transaction:
                Database.rollback(database)
        Stepped.writing = None
        self._used = 0
        engine_module._files.clear()
        for queue in scene.queues:
            life = life_of(queue)
            roster.started.pop(life, None)
            roster.lives.discard(life)
        for engine in scene.opened:
            _free(engine)
        for left in Path(f"{self._path}-sprag").glob("*.lock"):
            left.unlink()
        self._broom.execute(_EMPTY).fetchall()


_EMPTY: Final = """
    BEGIN;
    DELETE FROM job; DELETE FROM journal; DELETE FROM progress; DELETE FROM owner;
    DELETE FROM pause; DELETE FROM schedule; DELETE FROM notice; DELETE FROM sqlite_sequence;
    UPDATE counter SET pruned = 0, tick = 0;
    COMMIT
"""
