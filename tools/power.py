"""Cut the power at every write of real work, and see what is left.

    python3 tools/power.py                                       one minute, a seed of its own
    python3 tools/power.py --minutes 10 --seed 7
    python3 tools/power.py --replay FILE                         one failure, once more

A recording VFS logs every write, sync, truncation and deletion that queues make, and what they
tell the world meanwhile. For every point between two of these, a model of the disk says what may
be found after the power comes back: unsynced writes lost, kept, reordered, torn at sectors, ended
in garbage; deletions undone; and the same for a power cut during the recovery. Each image is
opened by plain SQLite, where an oracle that shares no code with sprag looks at it, and by a queue
in a new process, which must bring every job to its end.

Images that are equal are opened once. A queue runs every content that differs, and one of some
images whose content it ran before. The exit code is 0 if all is well. The seed is that of the
choices; threads make of them what they like, so a failure is saved with its log, and `--replay`
makes that very image again.
"""

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

import _venv

if "--here" not in sys.argv:
    _venv.enter("power", _venv.requirements())

from _power.driver import Driver, Result, again
from _power.search import Tally


def main() -> int:
    """Run what the command line asks for; the exit code."""
    options = _parse()
    folder = Path(tempfile.mkdtemp(prefix="sprag-power-", dir=options.dir))
    try:
        failed = _replay(options, folder) if options.replay else _search(options, folder)
    except BaseException:
        print(f"left in {folder}", flush=True)
        raise
    if not failed or options.replay:
        shutil.rmtree(folder)
    return 1 if failed else 0


def _replay(options: argparse.Namespace, folder: Path) -> bool:
    image, problems = again(options.replay, folder / "image")
    print(image)
    for problem in problems:
        print(f"WRONG: {problem}")
    print(f"{len(problems)} problems with the image of {options.replay}")
    return bool(problems)


def _search(options: argparse.Namespace, folder: Path) -> bool:
    print(f"seed {options.seed}, {options.processes} processes, in {folder}", flush=True)
    begin = time.monotonic()
    end = begin + 60 * options.minutes
    driver = Driver(folder, options.seed, options.processes, options.points)
    total, number, failures = Tally(), 0, 0
    try:
        while number < options.rounds if options.rounds else time.monotonic() < end:
            for result in driver.round(number):
                _show(result)
                total.add(result.tally)
                failures += result.failures
                if not options.rounds and time.monotonic() > end:
                    break
            number += 1
    finally:
        driver.close()
    print(
        f"{total.points} crash points, {total.images} images, {len(total.distinct)} of them "
        f"distinct, {total.runs} run to their end, {total.recoveries} of those cut short as well, "
        f"{failures} WRONG, {time.monotonic() - begin:.0f} s"
    )
    return bool(failures)


def _show(result: Result) -> None:
    tally = result.tally
    print(
        f"{result.shape:10}{result.durability:7}{result.operations:6} operations "
        f"{tally.points:6} crash points {tally.images:7} images {len(tally.distinct):7} distinct "
        f"{tally.runs:6} runs  {f'{result.failures} WRONG' if result.failures else 'ok'}",
        flush=True,
    )
    for saved in result.saved[:3]:
        for problem in saved.problems[:5]:
            print(f"WRONG: {problem}")
        print(f"       again: {sys.executable} tools/power.py --here --replay {saved.file}")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=float, default=1.0)
    length.add_argument("--rounds", type=int, help="that often through all shapes of work")
    length.add_argument("--replay", type=Path, metavar="FILE", help="a failure that was saved")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--points", type=int, help="of each recording, so many points of chance")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--dir", type=Path, help="the folder to work in, default: the temporary one"
    )
    parser.add_argument(
        "--here", action="store_true",
        help="use this very Python and its sprag; makes no environment",
    )  # fmt: skip
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
