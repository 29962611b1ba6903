"""One run in a chosen order: actors are threads of which one goes on at a time.

An actor takes a step from one `pause` to the next. There it says what it waits for, if for
anything, and whoever is chosen goes on. What a step looks at or changes it says by `touch`, so
that steps that have nothing to do with each other can be told from those whose order matters.
"""

from __future__ import annotations

import threading
import traceback
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Final

READ: Final = 1
WRITE: Final = 2
_STUCK_SECONDS: Final = 60
_MOST_STEPS: Final = 500

Footprint = dict[Hashable, int]
"""What a step touches, with READ or WRITE."""
Ready = Callable[[], bool]
Choose = Callable[[list[str], "list[Step]"], "str | None"]
"""Who goes on, of those who can, after these steps; None ends the run here."""


class Aborted(BaseException):
    """The run is over, or this actor's process has died: its thread ends."""


@dataclass
class Step:
    """What one actor did between two pauses."""

    actor: str
    label: str
    enabled: list[str]
    footprint: Footprint = field(default_factory=dict)


def _taken() -> threading.Lock:
    """A lock that somebody else is to release: the cheapest way to sleep and be woken."""
    lock = threading.Lock()
    lock.acquire()
    return lock


@dataclass
class Actor:
    """A thread that waits for its turn. `pending` is what its next step certainly touches."""

    name: str
    process: str | None
    turn: threading.Lock = field(default_factory=_taken)
    label: str = "begin"
    ready: Ready | None = None
    pending: Hashable = None
    ended: bool = False
    dead: bool = False
    thread: threading.Thread | None = None

    def can_go_on(self) -> bool:
        return not (self.ended or self.dead) and (self.ready is None or self.ready())


class Stuck(RuntimeError):
    """A thread waits for something that the scheduler does not know of."""


class Run:
    """Actors, and the order in which they take their steps."""

    def __init__(self, choose: Choose, pauses: frozenset[str] | None = None) -> None:
        self.choose = choose
        self._pauses = pauses
        self.actors: dict[str, Actor] = {}
        self.steps: list[Step] = []
        self.raised: list[str] = []
        self.notes: list[tuple[Any, ...]] = []
        """What was said and answered, in the order in which it was."""
        self.process: str | None = None
        """Whose threads are made on the stage just now."""
        self.mortal: set[str | None] = set()
        """Processes that may be killed."""
        self.recording = True
        self.touched: Footprint | None = None
        """What the step that is being taken has touched; None while nobody wants to know."""
        self._here = threading.local()
        self._quiet = _taken()
        self._error: Exception | None = None
        self._aborting = False
        self._made: Counter[tuple[str, str]] = Counter()

    # ------------------------------------------------------------ for whoever sets the stage

    def spawn(self, name: str, target: Callable[[], object]) -> None:
        """A new actor of the same process; it takes its first step when it is chosen."""
        me = self.actor()
        actor = self.actors[name] = Actor(name, self.process if me is None else me.process)
        self.touch(("life", name), WRITE)
        actor.thread = threading.Thread(
            target=self._live, args=(actor, target), name=name, daemon=True
        )
        actor.thread.start()

    def go(self) -> None:
        """Let the actors go on until none can, or the choice ends the run."""
        chosen = self._pick()
        if chosen is not None:
            chosen.turn.release()
            if not self._quiet.acquire(timeout=_STUCK_SECONDS):
                raise Stuck(f"somebody does not come back, after {self.told()}")
        if self._error is not None:
            raise self._error

    def rest(self) -> None:
        """The run is over: what follows, if anything, is of one order, and nobody's step."""
        self.recording, self.touched = False, None
        self.choose = onward

    def kill(self, process: str) -> None:
        """What all threads of a process do when it dies: nothing more."""
        for actor in self.actors.values():
            if actor.process == process:
                actor.dead = True

    def abort(self) -> None:
        """End all threads, wherever they are."""
        self._aborting = True
        for actor in self.actors.values():
            if not actor.ended:
                actor.turn.release()
                assert actor.thread is not None  # noqa: S101
                actor.thread.join(_STUCK_SECONDS)

    def told(self) -> str:
        """The schedule, for `--replay`."""
        return schedule([step.actor for step in self.steps])

    # ------------------------------------------------------------ for actors

    def actor(self) -> Actor | None:
        """Who is asking; None for the thread that sets the stage."""
        return getattr(self._here, "actor", None)

    def pause(self, label: str, ready: Ready | None = None, pending: Hashable = None) -> None:
        """Let someone else go on. Returns when this actor is chosen again, not before `ready()`.

        `pending` is what `ready` looks at. Where the run has larger steps, someone else goes on
        only at the labels that begin one, or where this actor has to wait.
        """
        me = self.actor()
        if me is None:
            return
        if self._aborting or me.dead:
            raise Aborted
        begins = self._pauses is None or label in self._pauses
        if not begins and ready is not None:
            self.touch(pending, READ)  # the step before goes on or ends, as this is
            begins = not ready()
        if begins:
            me.label, me.ready, me.pending = label, ready, pending
            chosen = self._pick()
            if chosen is not me:
                (self._quiet if chosen is None else chosen.turn).release()
                me.turn.acquire()
                if self._aborting:
                    raise Aborted
        if pending is not None:
            self.touch(pending, READ)

    def touch(self, what: Hashable, how: int) -> None:
        """The step that is being taken has to do with `what`."""
        touched = self.touched
        if touched is not None:
            touched[what] = touched.get(what, 0) | how

    def name(self, kind: str) -> str:
        """A name for a new object, the same in every order of independent steps."""
        me = self.actor()
        maker = "stage" if me is None else me.name
        self._made[maker, kind] += 1
        return f"{kind} {self._made[maker, kind]} of {maker}"

    def thread_name(self) -> str:
        """A name for a new thread of the queue's own."""
        me = self.actor()
        maker = f"{self.process} " if me is None else f"{me.name}/"
        self._made[maker, "thread"] += 1
        return f"{maker}{self._made[maker, 'thread']}"

    # ------------------------------------------------------------ helpers

    def _live(self, actor: Actor, target: Callable[[], object]) -> None:
        self._here.actor = actor
        actor.turn.acquire()
        try:
            if not self._aborting:
                self.touch(("life", actor.name), READ)
                target()
        except Aborted:
            pass
        except BaseException:  # noqa: BLE001  # what it is will be told as a failure of the run
            self.raised.append(f"{actor.name} raised {traceback.format_exc()}")
        actor.ended = True
        if self._aborting:
            return
        self.touch(("life", actor.name), WRITE)
        chosen = self._pick()
        (self._quiet if chosen is None else chosen.turn).release()

    def _pick(self) -> Actor | None:
        enabled = [name for name, actor in self.actors.items() if actor.can_go_on()]
        if len(self.steps) > _MOST_STEPS:
            self.raised.append(f"no end after {_MOST_STEPS} steps")
            return None
        if not enabled:
            return None
        try:
            chosen = self.choose(enabled, self.steps)
        except Exception as error:  # noqa: BLE001  # raised again where the run was begun
            self._error, chosen = error, None
        if chosen is None:
            return None
        actor = self.actors[chosen]
        if self.recording:
            step = Step(chosen, actor.label, enabled)
            self.steps.append(step)
            self.touched = step.footprint
            if actor.process in self.mortal:
                self.touch(("process", actor.process), READ)
        return actor


def schedule(actors: list[str]) -> str:
    """Who takes how many steps in turn, as in "a1:3,caller:2,a1:1"."""
    turns: list[tuple[str, int]] = []
    for name in actors:
        if turns and turns[-1][0] == name:
            turns[-1] = (name, turns[-1][1] + 1)
        else:
            turns.append((name, 1))
    return ",".join(f"{name}:{count}" for name, count in turns)


def parsed(text: str) -> list[str]:
    """The actors of a schedule, step by step."""
    steps: list[str] = []
    for part in text.split(","):
        name, _, count = part.partition(":")
        steps += [name] * int(count)
    return steps


def onward(enabled: list[str], steps: list[Step]) -> str:
    """The choice of no interest: whoever was at it goes on, or the first who can."""
    last = steps[-1].actor if steps else ""
    return last if last in enabled else enabled[0]
