"""All orders of steps that differ, each once.

Two steps that touch nothing in common, or only look at it, may change places without any
difference to anyone; orders that become each other by such changes are one. The search is
dynamic partial-order reduction (Flanagan and Godefroid, POPL 2005) with sleep sets (Godefroid,
1996): after each run, for each step and the last one before it that it conflicts with and that
did not have to come first, the other order of the two is asked for where the earlier one was
taken. A sleep set keeps an order that was tried from being tried again on a way that differs by
independent steps only. A step's footprint is what it did touch, as `primitives`, `shared` and
`file` tell it. A run is begun anew for each order and follows the choices up to where it is to
differ; should other actors be able to go on there than before, the search says so and ends.

`Count.interleavings` adds up, for the runs, in how many ways each one's steps could have been
ordered with all its conflicts as they were: that is how many runs a search without reduction
would have made. A footprint that lacks something shows there, against a search that leaves
nothing out (`reduced=False`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from .scheduler import WRITE, Footprint, Step, onward

Clock = dict[str, int]


class Nondeterministic(RuntimeError):
    """A run that followed the same choices had others to choose from."""


class Taken(Protocol):
    """A run as far as the search has to know it."""

    steps: list[Step]
    left: list[tuple[str, Footprint]]
    """The actors that are left with a step they could not take, and what it would touch."""


@dataclass
class Node:
    """A place where someone had to be chosen, and what was tried there."""

    enabled: list[str]
    chosen: str
    asleep: dict[str, Footprint]
    wanted: set[str] = field(default_factory=set)
    tried: dict[str, Footprint] = field(default_factory=dict)


@dataclass
class Count:
    """How much a search has seen."""

    runs: int = 0
    """Orders that differ, each run to its end."""
    cut: int = 0
    """Runs left where all that could follow had been tried."""
    steps: int = 0
    longest: int = 0
    interleavings: int = 0
    exhausted: bool = False


class Search:
    """Chooses for one run after the other; `following` is over when all orders were tried."""

    def __init__(self, *, reduced: bool = True) -> None:
        self.count = Count()
        self._reduced = reduced
        self._stack: list[Node] = []
        self._depth = 0
        self.was_cut = False

    def choose(self, enabled: list[str], steps: list[Step]) -> str | None:
        """Who goes on; None where nothing new can follow."""
        if self._depth < len(self._stack):
            node = self._stack[self._depth]
            if node.enabled != enabled:
                raise Nondeterministic(
                    f"at step {self._depth}: {enabled} can go on, before it was {node.enabled}"
                )
            self._depth += 1
            return node.chosen
        asleep = self._inherited(steps)
        awake = [name for name in enabled if name not in asleep]
        if not awake:
            self.was_cut = True
            return None
        chosen = onward(awake, steps)
        wanted = {chosen} if self._reduced else set(enabled)
        self._stack.append(Node(enabled, chosen, asleep, wanted))
        self._depth += 1
        return chosen

    def _inherited(self, steps: list[Step]) -> dict[str, Footprint]:
        """Whose next step was tried before on another way to the same."""
        if not (self._stack and self._reduced):
            return {}
        parent = self._stack[-1]
        done = steps[-1].footprint
        before = {**parent.asleep, **parent.tried}
        return {name: told for name, told in before.items() if not _conflict(told, done)}

    def end(self, run: Taken) -> bool:
        """A run has ended; whether there is another order to try."""
        steps = run.steps
        clocks, predecessors = _happened_before(steps)
        self.count.longest = max(self.count.longest, len(steps))
        self.count.steps += len(steps)
        if self.was_cut:
            self.count.cut += 1
        else:
            self.count.runs += 1
            self.count.interleavings += _orders(steps, predecessors) if self._reduced else 1
        if self._reduced:
            left = [(name, touched) for name, touched in run.left if touched]
            if self.was_cut:
                left += self._inherited(steps).items()
            for index, actor, seen in _races(steps, clocks, left):
                self._want(index, actor, seen, steps)
        self._depth, self.was_cut = 0, False
        return self._backtrack(steps)

    def _want(self, index: int, actor: str, seen: Clock, steps: list[Step]) -> None:
        """Ask for the other order of step `index` and a later one of `actor`, which had to come
        after what is in `seen`."""
        node = self._stack[index]
        leading = [
            name for name in node.enabled if name == actor or _first_after(index, name, steps, seen)
        ]
        if not leading:
            node.wanted.update(node.enabled)
        elif node.wanted.isdisjoint(leading):
            node.wanted.add(leading[0])

    def _backtrack(self, steps: list[Step]) -> bool:
        while self._stack:
            node = self._stack[-1]
            node.tried[node.chosen] = steps[len(self._stack) - 1].footprint
            left = [
                name
                for name in node.enabled
                if name in node.wanted and name not in node.tried and name not in node.asleep
            ]
            if left:
                node.chosen = left[0]
                return True
            self._stack.pop()
        self.count.exhausted = True
        return False


def _conflict(one: Footprint, other: Footprint) -> bool:
    if len(other) < len(one):
        one, other = other, one
    return any((how | other[what]) & WRITE for what, how in one.items() if what in other)


def _happened_before(steps: list[Step]) -> tuple[list[Clock], list[set[int]]]:
    """For each step, how many of each actor's had to come first, itself included; and which are
    the last of them."""
    clocks: list[Clock] = []
    predecessors: list[set[int]] = []
    own: dict[str, int] = {}
    writers: dict[object, int] = {}
    readers: dict[object, list[int]] = {}
    for index, step in enumerate(steps):
        before = {own[step.actor]} if step.actor in own else set()
        for what, how in step.footprint.items():
            if what in writers:
                before.add(writers[what])
            if how & WRITE:
                before.update(readers.pop(what, ()))
                writers[what] = index
            else:
                readers.setdefault(what, []).append(index)
        clock: Clock = {}
        last: set[int] = set()
        for other in sorted(before, reverse=True):
            theirs = clocks[other]
            actor = steps[other].actor
            if clock.get(actor, 0) < theirs[actor]:
                last.add(other)
                for name, count in theirs.items():
                    if clock.get(name, 0) < count:
                        clock[name] = count
        clock[step.actor] = clock.get(step.actor, 0) + 1
        own[step.actor] = index
        clocks.append(clock)
        predecessors.append(last)
    return clocks, predecessors


def _races(
    steps: list[Step], clocks: list[Clock], left: list[tuple[str, Footprint]]
) -> Iterator[tuple[int, str, Clock]]:
    """(index, actor, clock): a step, and an actor whose later step conflicts with it and, for all
    that had to come before that later step, need not follow it.

    The last such step, as far as that one could be the later of the two; but not so where they
    met at something that one waits for: before the release of a lock nobody else could take it,
    so the question is who took it first.
    """
    own: dict[str, tuple[int, Clock]] = {}
    numbers = _numbers(steps)
    touching: dict[object, list[int]] = {}
    later = [(step.actor, step.footprint, clocks[i]) for i, step in enumerate(steps)]
    later += [(name, footprint, {}) for name, footprint in left]
    for index, (actor, footprint, clock) in enumerate(later):
        since, known = own.get(actor, (-1, {}))
        found = _unordered(footprint, known, touching, steps, numbers)
        settled: list[Clock] = []
        for other in sorted(found, reverse=True):
            before = steps[other]
            if any(clock.get(before.actor, 0) >= numbers[other] for clock in settled):
                continue
            if not found[other]:
                settled.append(clocks[other])
            elif since < other and actor not in before.enabled:
                continue  # it waited there
            yield other, actor, clock or known
        if index < len(steps):
            own[actor] = (index, clock)
            for what in footprint:
                touching.setdefault(what, []).append(index)


def _unordered(
    footprint: Footprint,
    known: Clock,
    touching: dict[object, list[int]],
    steps: list[Step],
    numbers: list[int],
) -> dict[int, bool]:
    """The steps that conflict with this footprint and are not `known` to have come first; whether
    all they have in common is something that one waits for."""
    found: dict[int, bool] = {}
    for what, how in footprint.items():
        for other in reversed(touching.get(what, ())):
            before = steps[other]
            if known.get(before.actor, 0) >= numbers[other]:
                if before.footprint[what] & WRITE:
                    break
            elif (how | before.footprint[what]) & WRITE:
                found[other] = found.get(other, True) and _waited_for(what)
    return found


def _waited_for(what: object) -> bool:
    return isinstance(what, tuple) and what[0] in ("lock", "life", "letters")


def _numbers(steps: list[Step]) -> list[int]:
    """Which of its actor's steps each one is."""
    counts: dict[str, int] = {}
    numbers = []
    for step in steps:
        counts[step.actor] = counts.get(step.actor, 0) + 1
        numbers.append(counts[step.actor])
    return numbers


def _first_after(index: int, name: str, steps: list[Step], seen: Clock) -> bool:
    """Whether the first step of `name` after `index` had to come before a later one."""
    # Of its steps up to and with `index`, this is the number.
    own = sum(step.actor == name for step in steps[: index + 1])
    return seen.get(name, 0) > own


def _orders(steps: list[Step], predecessors: list[set[int]]) -> int:
    """In how many ways the steps can be ordered, each after its predecessors."""
    names = list(dict.fromkeys(step.actor for step in steps))
    column = {name: n for n, name in enumerate(names)}
    rows: list[list[list[tuple[int, int]]]] = [[] for _ in names]
    place: list[tuple[int, int]] = []
    for step, before in zip(steps, predecessors, strict=True):
        row = column[step.actor]
        place.append((row, len(rows[row])))
        # Its actor's own steps come before it anyway.
        rows[row].append([place[p] for p in before if place[p][0] != row])
    level = {tuple(0 for _ in names): 1}
    for _ in steps:
        following: dict[tuple[int, ...], int] = {}
        for cut, ways in level.items():
            for c, at in enumerate(cut):
                if at == len(rows[c]):
                    continue
                for other, number in rows[c][at]:
                    if cut[other] <= number:
                        break
                else:
                    after = (*cut[:c], at + 1, *cut[c + 1 :])
                    following[after] = following.get(after, 0) + ways
        level = following
    return sum(level.values())
