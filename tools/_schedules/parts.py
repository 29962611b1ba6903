"""The parts of a queue, in steps.

Subclasses of the queue's own classes, put in their place by name while a run is played: all that
they do is done by the code under test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final, TypeVar, TypeVarTuple
from unittest.mock import patch

from sprag.queue import declared, lifecycle
from sprag.queue.file import disk
from sprag.queue.file.database import Database
from sprag.queue.liveness import owners, recovery
from sprag.queue.store import batch, commit, dealing, moves, store, tickets
from sprag.queue.work import crew, engine, execution, keeper, owner, pool, running, space

from . import primitives
from .file import Lock, insert, step
from .primitives import run
from .scheduler import READ, WRITE
from .shared import Shared

R = TypeVar("R")
Ts = TypeVarTuple("Ts")

NOW: Final = 4_000_000_000.0
JOURNAL_STEPS: Final = frozenset(
    [
        "post", "lead", "BEGIN", "INSERT", "deal", "dismiss", "enter", "interrupt", "look",
        "handler begins", "handler ends", "wait to be told", "sleep", "sleep for a while",
        "join for a while", "look through", "take an owner's lock", "let go of an owner's lock",
        "probe an owner's lock", "remove an owner's lock", "lose the lock", "read", "close", "die",
    ]
)  # fmt: skip
"""Where larger steps begin."""


class Exchange(Shared, tickets.Exchange):
    """A worker's ticket."""

    racy = frozenset({"stopping", "claimed"})


class Call(Shared, tickets.Call):
    """Any other change."""


class Enqueue(Shared, tickets.Enqueue):
    """New jobs."""


class GroupCommit(Shared, commit.GroupCommit[Any]):
    """Who writes for all."""

    def submit(self, ticket: Any) -> None:
        run().pause("post")
        super().submit(ticket)

    def alone(self, write: Callable[[*Ts], R | None], *arguments: *Ts) -> R | None:
        run().pause("post")
        return super().alone(write, *arguments)

    def _pass_on(self) -> None:
        run().pause("pass on")
        super()._pass_on()

    def _lead(self, ticket: Any) -> None:
        run().pause("lead")
        super()._lead(ticket)


class Dealer(Shared, dealing.Dealer):
    """Who hands out runs."""

    racy = frozenset({"adrift"})

    def dismiss(self, workers: Any) -> None:
        run().pause("dismiss")
        super().dismiss(workers)

    def deal(self, seekers: Any, runs: Any) -> bool:
        run().pause("deal")
        return super().deal(seekers, runs)


class Batches(Shared, batch.Batches):
    """Who writes batches."""


class Store(Shared, store.Store):
    """The store."""

    def cancel(self, id_: str, queue: str | None = None) -> Any:
        moved, job = super().cancel(id_, queue)
        run().notes.append(("cancel", id_, moved))
        return moved, job

    def exchange(self, ticket: Any, outcome: Any) -> Any:
        dealt = super().exchange(ticket, outcome)
        if outcome is not None:
            refused = object.__getattribute__(ticket, "refused")
            run().notes.append(("outcome", outcome, refused))
        if dealt is not None and object.__getattribute__(ticket, "stopping"):
            run().notes.append(("late", dealt))
        return dealt


class RunningJob(Shared, running.RunningJob):
    """The handle of a run."""

    racy = frozenset({"_interrupt"})

    def interrupt(self, kind: Any) -> None:
        run().pause("interrupt")
        super().interrupt(kind)

    def check_cancelled(self) -> None:
        run().pause("look")
        super().check_cancelled()


class Engine(Shared, engine.Engine):
    """A file as a process has it open. Its clock stands still."""

    def __init__(self, *args: Any) -> None:
        run().notes.append(("engine", self))
        super().__init__(*args)
        self.store.clock = lambda: NOW

    def _committed(self, finished: Any) -> None:
        if self.database.writer.in_transaction:
            run().notes.append(("told too early",))
        super()._committed(finished)


class Space(Shared, space.Space):
    """The space that is set aside."""


class Ownership(Shared, owner.Ownership):
    """The process as an owner of jobs."""


class Crew(Shared, crew.Crew):
    """The workers of a process."""


class Keeper(Shared, keeper.Keeper):
    """Who keeps watch. It looks when the scene says so."""

    def keep_watch(self) -> None:
        """It does not look by itself."""


class WorkerPool(Shared, pool.WorkerPool):
    """The workers of a queue."""

    def __init__(self, *args: Any) -> None:
        run().notes.append(("pool", self))
        super().__init__(*args)


class Lifecycle(Shared, lifecycle.Lifecycle):
    """The inside of a queue."""


class Recovery(Shared, recovery.Recovery):
    """Who looks after the others."""


@contextmanager
def in_steps(database: Callable[..., Database]) -> Iterator[None]:
    """Everything the queue makes in this block is part of the run; its files are opened by
    `database`."""
    threading = primitives.Threading()
    changes: list[tuple[Any, dict[str, Any]]] = [
        (
            commit,
            {
                "threading": threading, "Wakeup": primitives.Wakeup,
                "LOOK_SECONDS": None,  # so that who is never woken is found
            },
        ),
        (
            store,
            {
                "Call": Call, "Enqueue": Enqueue, "GroupCommit": GroupCommit, "Batches": Batches,
                "Dealer": Dealer,
            },
        ),
        (moves, {"insert": insert}),
        (dealing, {"threading": threading}),
        (
            engine,
            {
                "threading": threading, "Latch": primitives.Event, "Database": database,
                "Store": Store, "Recovery": Recovery, "Space": Space, "Ownership": Ownership,
                "Crew": Crew, "Keeper": Keeper, "_files": {},
                "tidy": lambda folder, tokens: None,  # not what this is about
                "_registry": engine._registry,  # another for each run, and this one afterwards
            },
        ),
        (owner, {"threading": threading, "OwnerLock": Lock}),
        (crew, {"threading": threading}),
        (keeper, {"threading": threading}),
        (pool, {"threading": threading, "Exchange": Exchange, "RunningJob": RunningJob}),
        (
            recovery,
            {
                "liveness": step("probe an owner's lock", READ, owners.liveness),
                "forget": step("remove an owner's lock", WRITE, owners.forget),
                "doubt": step("look for an owner's lock", READ, owners.doubt),
            },
        ),
        (execution, {"_LEAST_SECONDS": 0.0}),  # the clock stands still
        (disk, {"sync": lambda fd: None}),
        (lifecycle, {"threading": threading, "Engine": Engine, "WorkerPool": WorkerPool}),
        (declared, {"Lifecycle": Lifecycle}),
    ]  # fmt: skip
    with ExitStack() as stack:
        for module, names in changes:
            stack.enter_context(patch.multiple(module, **names))
        yield
