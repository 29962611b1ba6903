"""Take the queue's races apart: every order in which its threads can take their steps.

    python3 tools/schedules.py                        all races, some minutes
    python3 tools/schedules.py --match "stop|leave"   those whose names have this pattern
    python3 tools/schedules.py --steps journal        smaller steps, far more orders
    python3 tools/schedules.py --match "taken for dead" --replay "a 1:5,kernel:2,..."

Two workers and two jobs on real files, with the queue's own code in real threads, of which a
scheduler lets one at a time take one step: a batch of the journal, the dealing of its runs, a
handler's begin, look and end, a flag of a stop or a cancellation, a lock let go, a probe. For each
race all orders are tried, each at least up to the exchange of steps that have nothing to do with
each other: "orders" counts those that were run, "interleavings" all that they stand for. After
each, an oracle that shares no code with sprag reads the journal, and it is held against what
callers and workers were told. Whoever waits for ever is found too. The exit code is 0 if all is
well; with a schedule that went wrong, `--replay` makes that very run again.
"""

import argparse
import logging
import math
import re
import sys
import tempfile
import time
from pathlib import Path

import _venv

if "--here" not in sys.argv:
    _venv.enter("schedules", _venv.requirements())

from _schedules.explore import Result, again, explore
from _schedules.scenarios import SCENARIOS, STEPS, Scenario
from _schedules.stage import Stage


def main() -> int:
    """Run what the command line asks for; the exit code."""
    options = _parse()
    logging.disable(logging.CRITICAL)  # refused outcomes and deaths are its daily bread
    chosen = [one for one in SCENARIOS if re.search(options.match, one.name)]
    if options.steps:
        chosen = [one.in_steps(STEPS[options.steps]) for one in chosen]
    quickest = "/dev/shm" if Path("/dev/shm").is_dir() else None  # no disk is the subject
    with (
        tempfile.TemporaryDirectory(prefix="sprag-schedules-", dir=quickest) as folder,
        Stage(Path(folder)) as stage,
    ):
        if options.replay:
            return _replay(stage, chosen, options.replay)
        return _search(stage, chosen, options.seconds)


def _search(stage: Stage, chosen: list[Scenario], seconds: float) -> int:
    print(f"{'race':44}{'orders':>8}{'cut':>7}{'steps':>7}{'interleavings':>24}{'s':>7}")
    runs = interleavings = failed = 0
    begin = time.monotonic()
    for scenario in chosen:
        result = explore(stage, scenario, seconds=seconds)
        _show(scenario, result)
        runs += result.count.runs
        interleavings += result.count.interleavings
        failed += len(result.wrong)
    print(
        f"{len(chosen)} races, {runs} orders run, which stand for {interleavings} interleavings, "
        f"{failed} WRONG, {time.monotonic() - begin:.0f} s"
    )
    return 1 if failed else 0


def _show(scenario: Scenario, result: Result) -> None:
    count = result.count
    print(
        f"{scenario.name:44}{count.runs:8}{count.cut:7}{count.longest:7}{count.interleavings:24}"
        f"{result.seconds:7.1f}{'' if count.exhausted else '  NOT ALL'}",
        flush=True,
    )
    for problem, schedule in result.wrong.items():
        print(f'WRONG: {problem}\n       again: --match "^{scenario.name}$" --replay "{schedule}"')


def _replay(stage: Stage, chosen: list[Scenario], schedule: str) -> int:
    if len(chosen) != 1:
        sys.exit(f"--replay is for one race; --match has {len(chosen)}")
    played = again(stage, chosen[0], schedule)
    for number, step in enumerate(played.steps):
        print(f"{number:4} {step.actor:16} {step.label}")
    for problem in played.problems:
        print(f"WRONG: {problem}")
    print(f"{len(played.problems)} problems with this order")
    return 1 if played.problems else 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--match", default="", help="only races whose names have this pattern")
    parser.add_argument("--steps", choices=sorted(STEPS), help="where a step ends, for every race")
    parser.add_argument(
        "--seconds", type=float, default=math.inf, help="for each race, and leave the rest"
    )
    parser.add_argument("--replay", metavar="SCHEDULE", help="one order that was printed")
    parser.add_argument(
        "--here", action="store_true",
        help="use this very Python and its sprag; makes no environment",
    )  # fmt: skip
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
