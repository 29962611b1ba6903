"""Kill processes that share one queue, again and again, and see what is left.

    python3 tools/torture.py                                         one minute, a seed of its own
    python3 tools/torture.py --minutes 60 --seed 7 --processes 3

Processes enqueue, run, cancel and requeue jobs of one file and say what sprag told them. They are
killed (SIGKILL), stopped and continued, or terminated at random moments, sometimes all at once;
some jobs kill the process they run in. An oracle that knows sprag's rules, but none of its code,
reads the file meanwhile and at the end. The exit code is 0 if every verdict is good. The seed is
that of the choices; what the machine makes of them is never quite the same.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from pathlib import Path

import _oracle as oracle
import _venv
from _torture.driver import Driver, Plan, opened
from _torture.verdict import Line, judge

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
    print(
        f"seed {options.seed}, {options.processes} processes, {seconds:g} s, in {folder}",
        flush=True,
    )
    begin = time.monotonic()
    driver = Driver(Plan(python, env, folder, seconds, options.seed, options.processes))
    record = driver.run()
    with opened(driver.database) as connection:
        file = oracle.read(connection)
    lines = judge(record, file)
    _show(lines)
    print(
        f"{record.kills} kills, {record.terms} terminations, {record.stops} stops, "
        f"{len(file.moves)} transitions, {time.monotonic() - begin:.0f} s"
    )
    failed = any(line.problems for line in lines)
    if failed or options.keep:
        print(f"left in {folder}")
    else:
        for path in sorted(folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        folder.rmdir()
    return 1 if failed else 0


def _show(lines: list[Line]) -> None:
    width = max(len(line.claim) for line in lines)
    for line in lines:
        verdict = f"{len(line.problems)} WRONG" if line.problems else "ok"
        print(f"{line.claim:{width}}  {line.count:8}  {verdict}")
    for line in lines:
        for problem in line.problems[:_SHOWN]:
            print(f"WRONG: {line.claim}: {problem}")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=float, default=1.0)
    length.add_argument("--seconds", type=float)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--processes", type=int, default=3)
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
