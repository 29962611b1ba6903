"""Let a call of the disk fail, each in turn, under a queue that does all that queues do.

    python3 tools/faults.py                                   2,000 of the faults there are
    python3 tools/faults.py --all --part 1/2                  half of them all
    python3 tools/faults.py --system --match "pwrite64.*ENOSPC"
    python3 tools/faults.py --opening --all                   nothing but openings, of three files

Either a call of SQLite's VFS fails, or with --system a system call of SQLite's own VFS (Linux on
x86-64): once; for good until it is lifted, while everything is asked for; so with a stop meanwhile;
or all of the disk with it. Whoever asks must be told with a clear error, and afterwards the queue
must go on by itself: no acknowledged job lost, nothing told or completed that is not so, no thread
dead, no file left open. The exit code is 0 if that held.
"""

import argparse
import contextlib
import faulthandler
import logging
import re
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import _venv

if "--here" not in sys.argv:
    _venv.enter("torture", _venv.requirements())

from _faults import openings, plans
from _faults.disk import FaultyDisk
from _faults.systemcalls import SystemCalls

_HANGS_SECONDS = 300


def main() -> int:
    """Run what the command line asks for; the exit code."""
    options = _parse()
    logging.disable(logging.CRITICAL)  # faults by the thousand are its daily bread
    failed, unmet, errors, begin = 0, 0, Counter[str](), time.monotonic()
    with contextlib.ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sprag-faults-")))
        faulty = stack.enter_context(SystemCalls()) if options.system else FaultyDisk("faulty")
        if options.opening:
            cases = list(openings.cases(root, FaultyDisk("faulty")))
        else:
            cases = list(plans.cases(root, faulty))
        known = [case for case in cases if re.search(options.match, case.name)]
        chosen = known if options.all else plans.evenly(known, options.count)
        part, parts = options.part
        chosen = chosen[part - 1 :: parts]
        print(f"{len(known)} faults, {len(chosen)} are tried", flush=True)
        for number, case in enumerate(chosen):
            faulthandler.dump_traceback_later(_HANGS_SECONDS, exit=True)
            problems, raised, met = case.run(root / str(number))
            unmet += not met
            errors.update(raised)
            if problems:
                failed += 1
                print(f"WRONG: {case.name}", *problems, sep="\n  ", flush=True)
        faulthandler.cancel_dump_traceback_later()
    told = ", ".join(f"{count} {name}" for name, count in errors.most_common())
    print(
        f"{len(chosen)} faults tried, {unmet} not met, {failed} WRONG; raised: {told or 'nothing'}"
    )
    print(f"{time.monotonic() - begin:.0f} s")
    return 1 if failed else 0


def _part(text: str) -> tuple[int, int]:
    part, _, parts = text.partition("/")
    return int(part), int(parts)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--system", action="store_true", help="let system calls fail")
    kind.add_argument("--opening", action="store_true", help="let calls fail in openings alone")
    number = parser.add_mutually_exclusive_group()
    number.add_argument("--count", type=int, default=2000, help="so many faults, evenly chosen")
    number.add_argument("--all", action="store_true", help="every fault there is")
    parser.add_argument("--match", default="", help="only those whose description has this pattern")
    parser.add_argument(
        "--part", type=_part, default=(1, 1), help="such as 1/2: to run them beside"
    )
    parser.add_argument(
        "--here", action="store_true",
        help="use this very Python and its sprag; makes no environment",
    )  # fmt: skip
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
