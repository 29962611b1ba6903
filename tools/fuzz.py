"""Give sprag damaged files, payloads and command lines that nobody means well with.

    python3 tools/fuzz.py                                        one minute, a seed of its own
    python3 tools/fuzz.py --minutes 60 --seed 7 --processes 2
    python3 tools/fuzz.py --replay fuzz-7-123.json               one failure again, to the byte

Each case is tried in a process that is killed if it hangs. A clear error is fine, so is a repair
that says what it did; a traceback, another exception, a hang, a crash, a flood of log records, a
healthy job that is lost or does not run, and a `sprag check` that disagrees with the oracle are
not. The exit code is 0 if there was none of these. What failed is kept in a file for --replay,
with the damaged files in it.
"""

import argparse
import logging
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import _venv

_SHOWN = 2000


def main() -> int:
    """Run what the command line asks for; the exit code."""
    options = _parse()
    if not options.here:
        _venv.enter("fuzz", _venv.requirements())
    # What jobs of a specimen fail of is no news.
    logging.getLogger("sprag").addHandler(logging.NullHandler())
    # Only now: they need sprag.
    from _fuzz.cases import Case, drawn, keep, kept  # noqa: PLC0415
    from _fuzz.runner import tried  # noqa: PLC0415

    if options.replay is not None:
        cases: Iterator[Case] = iter([kept(options.replay)])
        processes = 1
    else:
        seconds = options.seconds if options.seconds is not None else 60.0 * options.minutes
        print(f"seed {options.seed}, {options.processes} processes, {seconds:g} s", flush=True)
        rng = random.Random(options.seed)
        end = time.monotonic() + seconds
        processes = options.processes

        def cases_until() -> Iterator[Case]:
            while time.monotonic() < end:
                yield drawn(rng).made()

        cases = cases_until()
    begin = time.monotonic()
    counted: Counter[str] = Counter()
    failed = 0
    for case, problems in tried(
        cases, env=os.environ, folder=options.dir, processes=processes, deadline=options.deadline
    ):
        counted[case.kind] += 1
        if not problems:
            continue
        failed += 1
        print(f"WRONG: {case}")
        for problem in problems:
            print(f"    {problem[:_SHOWN]}")
        if options.replay is None:
            path = (options.dir or Path()) / f"fuzz-{options.seed}-{sum(counted.values())}.json"
            keep(case, problems, path)
            print(f"    again with --replay {path}", flush=True)
    told = ", ".join(f"{count} of {kind}" for kind, count in sorted(counted.items()))
    print(f"{sum(counted.values())} cases ({told}), {failed} WRONG, "
          f"{time.monotonic() - begin:.0f} s")  # fmt: skip
    return 1 if failed else 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=float, default=1.0)
    length.add_argument("--seconds", type=float)
    length.add_argument("--replay", type=Path, metavar="FILE", help="a failure that was kept")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument(
        "--deadline", type=float, default=120.0, help="seconds after which a case hangs"
    )
    parser.add_argument(
        "--dir", type=Path, help="the folder to work in, and where failures are kept"
    )
    parser.add_argument(
        "--here", action="store_true",
        help="use this very Python and its sprag; makes no environment",
    )  # fmt: skip
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
