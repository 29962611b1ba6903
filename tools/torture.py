"""Kill processes that share one queue, again and again, and see what is left.

    python3 tools/torture.py                                         one minute, a seed of its own
    python3 tools/torture.py --minutes 60 --seed 7 --processes 4

Processes enqueue, run, cancel and requeue jobs of one file and say what sprag told them. They are
killed (SIGKILL) at random moments, also while they open or make the file, sometimes all at once;
paused and continued (SIGSTOP, SIGCONT); or terminated (SIGTERM), and some of those killed in their
grace; some jobs kill the process they run in. An oracle that knows sprag's rules, but none of its
code, reads the file meanwhile and at the end.

The report uses Jepsen's words, for every enqueue that was asked for:

    LOST        acknowledged, but gone from the file, or not ended when all is done; must be 0
    UNEXPECTED  in the file, announced or handled, but never asked for; must be 0
    DUPLICATED  completed twice, or stored twice for one enqueue; must be 0
    HELD TWICE  accepted while another job held the same unique key; must be 0
    RECOVERED   no answer came, since the process died, but it is there, and ended

and says how long jobs of a process that died waited until they were given back to the queue, and
until they ran again elsewhere. The exit code is 0 if every verdict is good. The seed is that of the
choices; what the machine makes of them is never quite the same.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Literal

import _oracle as oracle
import _venv
from _torture.driver import Driver, Plan, Record, opened
from _torture.life import Life
from _torture.line import Line
from _torture.verdict import Verdict, judge
from _torture.words import wishes

_SHOWN = 10


def main() -> int:
    """Run what the command line asks for; the exit code."""
    options = _parse()
    if options.here:
        python, env = Path(sys.executable), dict(os.environ)
    else:
        python = _venv.ensure("torture", _venv.requirements())
        _venv.install_sprag(python)
        env = _venv.environment()
    folder = Path(tempfile.mkdtemp(prefix="sprag-torture-", dir=options.dir))
    seconds = options.seconds if options.seconds is not None else 60.0 * options.minutes
    plan = _plan(options, python, env, folder, seconds)
    print(
        f"seed {plan.seed}, {plan.processes} processes, durability {plan.durability}, "
        f"{seconds:g} s, in {folder}",
        flush=True,
    )
    begin = time.monotonic()
    driver = Driver(plan)
    record = driver.run()
    with opened(driver.database) as connection:
        file = oracle.read(connection)
        wish_of = wishes(connection)
    verdict = judge(record, file, wish_of)
    _show(verdict, record)
    print(f"{len(file.moves)} transitions, {time.monotonic() - begin:.0f} s")
    if not verdict.good or options.keep:
        print(f"left in {folder}")
    else:
        for path in sorted(folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        folder.rmdir()
    return 0 if verdict.good else 1


def _plan(
    options: argparse.Namespace, python: Path, env: dict[str, str], folder: Path, seconds: float
) -> Plan:
    noise = random.Random(options.seed)
    processes = noise.randint(2, 4)
    durability: Literal["full", "normal"] = noise.choice(["full", "normal"])
    return Plan(
        python, env, folder, seconds, options.seed, options.processes or processes,
        kills=options.kills, durability=durability,
    )  # fmt: skip


def _show(verdict: Verdict, record: Record) -> None:
    lines = verdict.lines
    width = max(len(line.claim) for line in lines)
    for line in lines:
        good = f"{len(line.problems)} WRONG" if line.problems else "ok"
        remark = f"  {line.remark}" if line.remark else ""
        print(f"{line.claim:{width}}  {line.count:8}  {good}{remark}")
    _show_problems(lines)
    lives = [life for slot in record.slots for life in slot.lives]
    print(_blows(lives, record))
    print(*verdict.takeovers.lines(), sep="\n")


def _show_problems(lines: list[Line]) -> None:
    for line in lines:
        for problem in line.problems[:_SHOWN]:
            print(f"WRONG: {line.claim}: {problem}")


def _blows(lives: list[Life], record: Record) -> str:
    poisoned = sum(life.asked == "poison" for life in lives)
    unborn = sum(life.asked == "kill" and not life.ready for life in lives)
    return (
        f"{len(lives)} processes: {record.kills} kills ({record.all_kills} of them of all at "
        f"once), {poisoned} killed by their own jobs, {unborn} killed before they were ready, "
        f"{record.terms} terminations ({sum(life.killed_in_grace for life in lives)} killed in "
        f"their grace), {record.stops} pauses; {record.births.files} new files whose "
        f"first {record.births.killed} processes were killed while they opened them"
    )


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=float, default=1.0)
    length.add_argument("--seconds", type=float)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--processes", type=int, help="default: 2 to 4, as the seed has it")
    parser.add_argument("--kills", type=int, default=0,
                        help="go on until so many processes at work were killed")  # fmt: skip
    parser.add_argument(
        "--dir", type=Path, help="the folder to work in, default: the temporary one"
    )
    parser.add_argument("--keep", action="store_true", help="leave the files, even if all is well")
    parser.add_argument(
        "--here", action="store_true",
        help="use this very Python and its sprag; makes no environment",
    )  # fmt: skip
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
