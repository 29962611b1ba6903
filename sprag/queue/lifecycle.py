"""One queue object's life in this process: closed, open, started, stopped. All that it holds is
here, behind one attribute, so that a subclass may give its own ones any name."""

from __future__ import annotations

import functools
import importlib
import inspect
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from . import errors, rivals, roster
from .offers import Offers
from .options import Settings
from .roster import Front
from .tasks import Repertoire
from .threads.elsewhere import elsewhere
from .threads.inside import here, refuse_reentry
from .threads.interrupts import Sigterm
from .threads.logs import Log, settle
from .watch.subscription import CLOSE_SECONDS, Callback, Subscription, end_together
from .work.engine import Engine
from .work.failures import Failures, Hook
from .work.pool import WorkerPool

if TYPE_CHECKING:
    from .work.coroutines import HandlerLoop

log: Final = Log("sprag.queue")


class Calls(Protocol):
    """Threads that can be told not to begin anything more."""

    def close(self) -> None: ...


class Lifecycle:
    """What a queue object has open: the file, worker threads, an event loop, subscriptions."""

    def __init__(self, settings: Settings, *, placed: bool, runs: Repertoire) -> None:
        """`placed`: the class or its construction names the file. `runs`: what its class can."""
        self.placed = placed
        self.runs = runs
        self.configure(settings)
        self.engine: Engine | None = None
        self.pool: WorkerPool | None = None
        self.loop: HandlerLoop | None = None
        self.offers = Offers(handles=bool(runs))
        self.sigterm = Sigterm()
        self._subscriptions: weakref.WeakSet[Subscription] = weakref.WeakSet()
        self.make_locks()
        roster.lives.add(self)

    def make_locks(self) -> None:
        """Make new locks: in a forked child, threads that it lacks may hold the old ones."""
        self.calls: Calls | None = None
        """The threads of awaited calls, made by `asynchronous`."""
        self._life = threading.RLock()
        """Held for the whole of a start or a stop."""
        self._mutex = threading.RLock()
        """Held while the file is opened."""

    def configure(self, settings: Settings) -> None:
        """Take these options. Only before the file is open."""
        self.settings: Settings = settings
        self.path: str = str(Path(settings.database).absolute())
        # The options of an enqueue without any, made once because most are like that.
        self.plain = settings.of_jobs()

    def change(self, who: str, option: str, value: object) -> None:
        """Take the value of an option that was assigned to the object."""
        refuse_reentry()
        with here.inside, self._mutex:
            settings = self.settings.changed(who, option, value)
            if self.engine is not None:
                raise errors.ConfigurationError(
                    f"{who}.{option}: the queue is open, so that is too late; set options in the "
                    "class, in the constructor, or before the first use"
                )
            self.placed = self.placed or option == "database"
            path = self.path
            self.configure(settings)
            if option != "database":
                self.path = path

    def place(self, database: str | Path) -> None:
        """Use this file, unless one was named already."""
        if self.placed:
            return
        refuse_reentry()
        with here.inside, self._mutex:
            if self.engine is not None:
                raise errors.ConfigurationError(
                    f"queue {self.settings.name!r} is open on {self.path} and cannot be "
                    f"placed in {database}"
                )
            self.path = str(Path(database).absolute())

    def open(self) -> Engine:
        """The open file, for a call from outside the queue. Opens it if need be.

        Raises QueueClosed for one from before a fork, and ReentrantCall.
        """
        if here.is_inside():
            raise errors.ReentrantCall
        engine = self.engine
        if engine is None:
            return elsewhere("open", self._opened)
        engine.database.check_open()
        return engine

    def _opened(self) -> Engine:
        with here.inside, self._mutex:
            engine = self.engine
            if engine is None:
                settings = self.settings
                engine = self.engine = Engine.open(
                    self.path, settings.durability, vfs=settings.vfs, flags=settings.open_flags,
                    busy_seconds=settings.busy_seconds,
                )  # fmt: skip
        engine.database.check_open()
        return engine

    def subscribe(self, callback: Callback, after: int | None) -> Subscription:
        """A subscription to this queue's jobs, which ends with the queue."""
        engine = self.open()
        return elsewhere("subscribe", lambda: self._subscribed(engine, callback, after))

    def _subscribed(self, engine: Engine, callback: Callback, after: int | None) -> Subscription:
        subscription = engine.observers.subscribe(callback, self.settings.name, after)
        self._subscriptions.add(subscription)
        if self.engine is not engine:
            # The queue was stopped meanwhile. The file may stay open, for others.
            subscription.end(CLOSE_SECONDS)
            raise errors.QueueClosed(f"queue {self.settings.name!r} was stopped")
        engine.keep_watch()
        return subscription

    def say_if_unattended(self) -> None:
        """Log that jobs wait and no process runs them, if they were enqueued here."""
        self.offers.say_if_unattended(self.engine, self.settings.name)

    def start(self, front: Front, hook: Hook | None) -> None:
        """Open the file, recover the jobs of dead processes and start the workers.

        Raises ConfigurationError if a different class runs the queue in this process. Queues whose
        class was defined again since are stopped first, with their grace.
        """
        refuse_reentry()
        while outdated := elsewhere("start", lambda: self._start(front, hook)):
            log.warning("%s was defined again: queue %r of its earlier definition stops, and its "
                        "running jobs get their grace",
                        rivals.named(type(front)), self.settings.name)  # fmt: skip
            for life, other in outdated:
                other.stop()
                life.stop(0.0)  # in case the author's `stop` does not
        settle()

    def _start(self, front: Front, hook: Hook | None) -> list[tuple[Lifecycle, Front]]:
        """Start, or return the queues that have to stop first."""
        with here.inside, self._life:
            was_open = self.engine is not None
            engine = self._opened()
            if self.pool is not None:
                return []
            try:
                with here.inside, roster.choosing():
                    outdated = self._outdated_by(front, engine)
                    if outdated:
                        return outdated
                    roster.started[self] = front
                self._start_workers(front, hook, engine)
            except BaseException:
                roster.started.pop(self, None)
                if not was_open:  # otherwise nobody would ever close it
                    self._end(0.0)
                raise
            self.offers.is_run(engine, self.settings.name)
            return []

    def _outdated_by(self, front: Front, engine: Engine) -> list[tuple[Lifecycle, Front]]:
        name = self.settings.name
        beside = [
            (life, other)
            for life, other in roster.started.items()
            if isinstance(life, Lifecycle) and life.engine is engine and life.settings.name == name
        ]
        kinds = [type(other) for _, other in beside]
        old = rivals.outdated(type(front), kinds, name, engine.path)
        outdated = [(life, other) for life, other in beside if type(other) in old]
        for life, _ in outdated:
            life.refuse_inside("start() of a later definition of")
        return outdated

    def _start_workers(self, front: Front, hook: Hook | None, engine: Engine) -> None:
        settings = self.settings
        failures = None if hook is None else Failures(settings.name, self._waited_for(hook))
        handlers = self.runs.handlers(front, settings, self._waited_for)
        engine.keep_watch()
        self.pool = WorkerPool(
            engine, settings.name, settings.worker_count, handlers, self.runs.names,
            settings.max_payload_bytes, failures, self.runs.standing(settings), settings.max_queued,
        )  # fmt: skip

    def _waited_for(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, or for an `async` one what runs it on the queue's event loop."""
        if not inspect.iscoroutinefunction(function):
            return function
        # Not before a queue has async handlers: asyncio is a third of what an import costs.
        coroutines: Any = importlib.import_module(".work.coroutines", __package__)
        self.loop = loop = self.loop or coroutines.HandlerLoop()  # of a start that failed
        return functools.partial(loop.call, function)

    # ------------------------------------------------------------ stop

    def stop(self, grace_seconds: float) -> None:
        """Stop the workers after the grace, end the subscriptions and close the file."""
        self.refuse_inside()
        refuse_reentry()
        pool, me = self.pool, object()
        try:
            if pool is not None:
                pool.hurry(grace_seconds, me)  # another thread may be about to stop it
            elsewhere("stop", lambda: self._stop(grace_seconds), interrupted=self.hurry)
        finally:
            if pool is not None:
                pool.forget(me)
        settle()

    def refuse_inside(self, what: str = "stop() of") -> None:
        """Raise StopInsideHandler in a thread that a stop would wait for."""
        if self.pool is not None and self.pool.runs_here():
            raise errors.StopInsideHandler(
                f"{what} queue {self.settings.name!r} was called inside its own handler, or by a "
                "log handler in one of its workers, and would wait for itself forever; the queue "
                "goes on. Let another thread call it"
            )

    def _stop(self, grace_seconds: float) -> None:
        with here.inside, self._life:
            self.refuse_inside()  # once more: a start may have ended only now
            roster.started.pop(self, None)
            self.say_if_unattended()
            self.offers.look_at = 0.0
            self._end(grace_seconds)

    def _end(self, grace_seconds: float) -> None:
        """Let go of all that is open, in this order. A step that fails keeps no other from it."""
        engine, pool, loop, calls = self.engine, self.pool, self.loop, self.calls
        is_ours = engine is not None and not engine.database.forked
        steps: list[Callable[[], object]] = []
        if engine is not None and is_ours:
            if pool is not None:
                steps.append(lambda: pool.stop(grace_seconds))
            if loop is not None:
                steps.append(loop.close)
            steps += [self._end_subscriptions, engine.close]
        # Not earlier: handlers in their grace and subscribers still use it, and must not have to
        # wait for this thread, which waits for them.
        steps.append(self._forget)
        if calls is not None:
            steps.append(calls.close)
        if engine is not None and is_ours:
            # The subscriptions of calls that were under way; later ones see that it is too late.
            # Others may keep the file open, so the threads that wait for a job here are woken.
            steps += [self._end_subscriptions, engine.observers.wake_all]
        failed: list[Exception] = []
        for step in steps:
            try:
                step()
            except Exception as error:  # noqa: BLE001  # raised below
                failed.append(error)
        if failed:
            raise failed[0]

    def _forget(self) -> None:
        self.calls = self.engine = self.pool = self.loop = None

    def _end_subscriptions(self) -> None:
        subscriptions = tuple(self._subscriptions)
        self._subscriptions.difference_update(subscriptions)  # or each end would wait for them
        end_together(subscriptions)

    def leave(self) -> None:
        """Close the file at the exit, if it is open: otherwise it would look like a crash."""
        if self.engine is not None:
            try:
                self.stop(0.0)
            except Exception:
                log.exception("queue %r was not closed in order", self.settings.name)

    def hurry(self) -> None:
        """End the grace of a stop that is under way in another thread."""
        pool = self.pool
        if pool is not None:
            pool.hurry(0.0, None)
