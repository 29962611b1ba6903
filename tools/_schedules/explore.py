"""All orders of one scenario, and what was wrong in which."""

from __future__ import annotations

import math
import re
import time
from dataclasses import dataclass, field
from typing import Any

from .scenarios import Scenario
from .scheduler import Step, parsed
from .search import Count, Search
from .stage import Played, Stage
from .verdict import Verdict


@dataclass
class Result:
    """What a search has found."""

    count: Count
    seconds: float = 0.0
    outcomes: set[tuple[Any, ...]] = field(default_factory=set)
    """The journals that there were in the end: (job, event, owner) of each move."""
    wrong: dict[str, str] = field(default_factory=dict)
    """What was wrong, with the first schedule that led to it."""


def explore(
    stage: Stage,
    scenario: Scenario,
    *,
    reduced: bool = True,
    seconds: float = math.inf,
    wanted: str = "$.",
) -> Result:
    """Try every order of the scenario's steps, or as many as can be in so many seconds, or until
    something is wrong in the `wanted` way."""
    search, begin = Search(reduced=reduced), time.monotonic()
    result = Result(search.count)
    more = True
    while more:
        played = stage.play(scenario.setting, search.choose, Verdict(), scenario.pauses)
        if played.journal:
            result.outcomes.add(played.journal)
        for problem in played.problems:
            result.wrong.setdefault(problem, played.schedule)
        result.seconds = time.monotonic() - begin
        found = any(re.search(wanted, problem) for problem in played.problems)
        more = search.end(played) and not found and result.seconds < seconds
    return result


def again(stage: Stage, scenario: Scenario, schedule: str) -> Played:
    """One run in the order that was printed. Raises ValueError where it cannot be followed."""
    steps = parsed(schedule)

    def choose(enabled: list[str], taken: list[Step]) -> str | None:
        if len(taken) >= len(steps):
            raise ValueError(f"the schedule ends, and {enabled} can go on")
        if steps[len(taken)] not in enabled:
            raise ValueError(f"step {len(taken)} is of {steps[len(taken)]}; {enabled} can go on")
        return steps[len(taken)]

    return stage.play(scenario.setting, choose, Verdict(), scenario.pauses)
