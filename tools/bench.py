"""Measure sprag beside other durable queues on SQLite, and beside SQLite itself.

    python3 tools/bench.py                                  every row, 5 rounds, some 10 minutes
    python3 tools/bench.py web --rounds 3                   the page instead, some 4 minutes
    python3 tools/bench.py --quick                          a look at smaller sizes, 2 rounds
    python3 tools/bench.py --only drain-full,idle-full      some rows

Makes its own environment with huey, persist-queue, litequeue, procrastinate and the wheel of the
tree; procrastinate is measured if a PostgreSQL server is installed, on one of its own. The page is
measured beside a bare Starlette application that does the same by hand, in an environment with a
driver for the Chromium that must be installed. Prints a table of ratios, each with the bar that it
is held against. Each measurement is a process of its own with a file of its own, the subjects take
turns in every round, and each ratio is the median of the rounds' ratios. Whether a bar is met never
decides the exit code; 0 says that all was measured.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import _venv
from _bench import postgres, rows, table
from _bench.peers import SERVERS
from _bench.plan import Group, Sizes, each_kind, without
from _bench.process import in_memory, machine
from _bench.runner import ChildFailed, Round, Runner
from _bench.web import rows as web_rows

TABLES = {"queue": rows.groups, "web": web_rows.groups}

LARGE_BYTES = 6_000_000_000
"""Room for both large files and one copy."""


def main() -> int:
    """Run what the command line asks for; the exit code."""
    options = _parse()
    page = options.what == "web"
    sizes, rounds = _extent(options)
    every = list(TABLES[options.what](sizes))
    absent = postgres.missing(packages=options.here)
    if absent is not None:
        every = without(every, SERVERS)
    chosen = [group for group in every if options.only is None or group.key in options.only]
    if options.smoke:
        chosen = each_kind(chosen)
    large = any(group.file for group in chosen) and not (options.quick or options.smoke)
    problem = None if options.smoke else _problem(options.dir, large=large)
    if problem is not None:
        print(problem, file=sys.stderr)
        return 2
    # As Ctrl-C: what was started ends, and the work folder goes.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # One at a time: two would disturb each other's figures, and replace each other's wheel.
    with (
        contextlib.nullcontext() if options.here else _venv.exclusive("bench"),
        tempfile.TemporaryDirectory(dir=options.dir, prefix="sprag-bench-") as folder,
    ):
        name, package = ("bench-web", "_bench.web") if page else ("bench", "_bench")
        if options.here:
            python, env = Path(sys.executable), dict(os.environ)
        else:
            extras = (name,) if page else (name, "bench-server")
            python, env = _venv.ensure(name, _venv.requirements(*extras)), _venv.environment()
            _venv.install_sprag(python)
        runner = Runner(python, Path(folder), env, sizes, package, care=not options.smoke)
        try:
            measured = {group.key: runner.run(group, rounds) for group in chosen}
            about = [machine(), runner.versions()]
            if absent is not None and not page:
                about.append(f"{', '.join(SERVERS)} left out: {absent}")
        except ChildFailed as error:
            print(error, file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            return 130
        finally:
            runner.close()
    verdicts = _judge(chosen, measured)
    about.append(f"{rounds} rounds; * is the best of the others; what is in brackets is not judged")
    if options.smoke:
        about.append("SMOKE TEST: everything ran; the figures say nothing")
    elif options.quick:
        about.append("QUICK LOOK: smaller sizes, few rounds; these are not the figures to quote")
    print("\n".join([*about, "", table.render(verdicts)]))
    if options.json is not None:
        record = {"about": about, "bars": table.record(verdicts), "rounds": measured}
        options.json.write_text(json.dumps(record, indent=1) + "\n")
    return 0


def _extent(options: argparse.Namespace) -> tuple[Sizes, int]:
    """How much is measured, and how often."""
    if options.smoke:
        return Sizes.smoke(), options.rounds or 1
    if options.quick:
        return Sizes.quick(), options.rounds or 2
    return Sizes(), options.rounds or 5


def _judge(groups: list[Group], measured: dict[str, list[Round]]) -> list[table.Verdict]:
    return [table.judge(bar, measured[group.key]) for group in groups for bar in group.bars]


def _parse() -> argparse.Namespace:
    keys = {what: [group.key for group in groups(Sizes())] for what, groups in TABLES.items()}
    parser = argparse.ArgumentParser(
        prog="tools/bench.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(f"rows of {what}: {', '.join(names)}" for what, names in keys.items()),
    )

    def positive(text: str) -> int:
        if not text.isdigit() or int(text) == 0:
            raise argparse.ArgumentTypeError(f"expected a whole number from 1 on, got {text!r}")
        return int(text)

    parser.add_argument(
        "what", nargs="?", choices=TABLES, default="queue",
        help="what is measured (default queue)",
    )  # fmt: skip
    parser.add_argument("--rounds", type=positive, help="default 5; 2 with --quick")
    extent = parser.add_mutually_exclusive_group()
    extent.add_argument("--quick", action="store_true", help="smaller sizes, for a look")
    extent.add_argument(
        "--smoke",
        action="store_true",
        help="each kind of measurement once, at the least size, to see that it runs",
    )
    parser.add_argument("--only", metavar="ROWS", help="some rows, with commas")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there too")
    parser.add_argument(
        "--dir", type=Path, default=Path("/var/tmp"),
        help="a folder on the disk to measure (default /var/tmp)",
    )  # fmt: skip
    parser.add_argument(
        "--here", action="store_true",
        help="use this very Python and its packages; makes no environment",
    )  # fmt: skip
    options = parser.parse_args()
    if options.only is not None:
        options.only = options.only.split(",")
        for key in options.only:
            if key not in keys[options.what]:
                parser.error(f"no row {key!r}; expected some of {keys[options.what]}")
    return options


def _problem(folder: Path, *, large: bool) -> str | None:
    """What makes measuring in `folder` senseless, if anything."""
    if not folder.is_dir():
        return f"{folder} is not a folder; name one on a real disk with --dir."
    if in_memory(folder):
        return f"{folder} is in memory, where a sync costs nothing; name one on a disk with --dir."
    if large and shutil.disk_usage(folder).free < LARGE_BYTES:
        return (
            f"{folder} has less than {LARGE_BYTES / 1e9:.0f} GB free for the files with a million "
            "jobs; name another with --dir, or leave these rows out with --only."
        )
    return None


if __name__ == "__main__":
    sys.exit(main())
