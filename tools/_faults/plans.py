"""Which faults are tried: every call of a pass, in each of its ways to fail."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import disk, systemcalls
from .trigger import Lasting, Trigger
from .workload import Pass

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


def evenly(plans: Sequence[Plan], count: int) -> list[Plan]:
    """`count` of the plans at equal distances; all, if there are no more."""
    if count >= len(plans):
        return list(plans)
    return [plans[n * len(plans) // count] for n in range(count)]


def survey(folder: Path, faulty: Faulty) -> list[str]:
    """The calls of a pass in which nothing fails."""
    faulty.trigger = trigger = Trigger()
    problems = Pass(folder / "jobs.db", faulty.vfs, trigger).run()
    if problems:
        raise RuntimeError("a pass on a sound disk went wrong: " + "\n".join(problems))
    return trigger.kinds


def tried(plan: Plan, folder: Path, faulty: Faulty) -> Pass:
    """The pass with this fault, after its end."""
    faulty.trigger = trigger = Trigger()
    faulty.flavour = plan.flavour
    trigger.arm(plan.at, plan.kind, plan.lasting)
    done = Pass(folder / "jobs.db", faulty.vfs, trigger, stop_under=plan.stop_under)
    done.run()
    return done
