"""Which faults are tried: every call of a pass, in each of its ways to fail."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

from . import disk, systemcalls
from .trigger import Lasting, Trigger
from .workload import Pass

T = TypeVar("T")

Faulty = disk.FaultyDisk | systemcalls.SystemCalls


@dataclass(frozen=True, slots=True)
class Plan:
    """The call number `at`, which was of this `kind` in the survey, fails this way."""

    at: int
    kind: str
    flavour: str
    lasting: Lasting
    stop_under: bool = False

    def __str__(self) -> str:
        stop = ", stopped under it" if self.stop_under else ""
        return f"call {self.at} ({self.kind}): {self.flavour}, {self.lasting}{stop}"


def plans_of(kinds: Sequence[str]) -> Iterator[Plan]:
    """Every plan for a pass that made these calls."""
    for at, kind in enumerate(kinds):
        file, _, verb = kind.rpartition(" ")
        flavours = systemcalls.FLAVOURS if file == "system" else disk.FLAVOURS
        for flavour in flavours[verb]:
            yield Plan(at, kind, flavour, "once")
            if not systemcalls.passes(verb, flavour):
                yield Plan(at, kind, flavour, "on")
                yield Plan(at, kind, flavour, "on", stop_under=True)
            if flavour == "error":
                yield Plan(at, kind, flavour, "dead")


class Case(NamedTuple):
    """Something to try in a folder of its own: what was wrong, what was raised, whether the fault
    was met."""

    name: str
    run: Callable[[Path], tuple[list[str], Counter[str], bool]]


def evenly(every: Sequence[T], count: int) -> list[T]:
    """`count` of them at equal distances; all, if there are no more."""
    if count >= len(every):
        return list(every)
    return [every[n * len(every) // count] for n in range(count)]


def cases(root: Path, faulty: Faulty) -> Iterator[Case]:
    """A pass for each plan."""
    for plan in plans_of(survey(root / "survey", faulty)):
        yield Case(str(plan), functools.partial(_run, plan, faulty))


def _run(plan: Plan, faulty: Faulty, folder: Path) -> tuple[list[str], Counter[str], bool]:
    done = tried(plan, folder, faulty)
    return done.problems, done.errors, bool(faulty.trigger.failed)


def survey(folder: Path, faulty: Faulty) -> list[str]:
    """The calls of a pass in which nothing fails."""
    folder.mkdir()
    faulty.trigger = trigger = Trigger()
    problems = Pass(folder / "jobs.db", faulty.vfs, trigger).run()
    if problems:
        raise RuntimeError("a pass on a sound disk went wrong: " + "\n".join(problems))
    return trigger.kinds


def tried(plan: Plan, folder: Path, faulty: Faulty) -> Pass:
    """The pass with this fault, after its end."""
    folder.mkdir()
    faulty.trigger = trigger = Trigger()
    faulty.flavour = plan.flavour
    trigger.arm(plan.at, plan.kind, plan.lasting)
    done = Pass(folder / "jobs.db", faulty.vfs, trigger, stop_under=plan.stop_under)
    done.run()
    return done
