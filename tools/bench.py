"""Measure sprag beside other durable queues on SQLite, and beside SQLite itself.

    python3 tools/bench.py                                  every row, 5 rounds, some 10 minutes
    python3 tools/bench.py --quick                          a look at smaller sizes, 2 rounds
    python3 tools/bench.py --only drain-full,idle-full      some rows

Makes its own environment with huey, persist-queue, litequeue and the wheel of the tree. Prints a
table of ratios with the bars that docs and changelog promise. Each measurement is a process of its
own with a file of its own, the subjects take turns in every round, and each ratio is the median of
the rounds' ratios. Whether a bar is met never decides the exit code; 0 says that all was measured.
"""

import _venv

if __name__ == "__main__":
    _venv.enter("bench", _venv.requirements("bench"))

import argparse
import json
import shutil
import sqlite3
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import apsw

from _bench import rows, table
from _bench.process import in_memory, machine
from _bench.runner import ChildFailed, Round, Runner

LARGE_BYTES = 6_000_000_000
"""Room for both large files and one copy."""


def main() -> int:
    """Run what the command line asks for."""
    keys = [group.key for group in rows.groups(rows.Sizes())]
    options = _parse(keys)
    sizes = rows.Sizes.quick() if options.quick else rows.Sizes()
    rounds = options.rounds or (2 if options.quick else 5)
    chosen = [group for group in rows.groups(sizes) if group.key in (options.only or keys)]
    problem = _problem(options.dir, large=any(group.file for group in chosen) and not options.quick)
    if problem is not None:
        print(problem, file=sys.stderr)
        return 2
    verdicts: list[table.Verdict] = []
    measured: dict[str, list[Round]] = {}
    with tempfile.TemporaryDirectory(dir=options.dir, prefix="sprag-bench-") as folder:
        runner = Runner(Path(folder), _venv.environment(), sizes)
        try:
            for group in chosen:
                measured[group.key] = runner.run(group, rounds)
                verdicts += [table.judge(bar, measured[group.key]) for bar in group.bars]
        except ChildFailed as error:
            print(error, file=sys.stderr)
            return 1
    _report(verdicts, rounds, quick=options.quick)
    if options.json is not None:
        options.json.write_text(json.dumps(_record(verdicts, measured), indent=1) + "\n")
    return 0


def _parse(keys: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tools/bench.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="rows: " + ", ".join(keys),
    )

    def row_keys(text: str) -> list[str]:
        chosen = text.split(",")
        for key in chosen:
            if key not in keys:
                raise argparse.ArgumentTypeError(f"no row {key!r}; expected some of {keys}")
        return chosen

    def positive(text: str) -> int:
        if not text.isdigit() or int(text) == 0:
            raise argparse.ArgumentTypeError(f"expected a whole number from 1 on, got {text!r}")
        return int(text)

    parser.add_argument("--rounds", type=positive, help="default 5; 2 with --quick")
    parser.add_argument("--quick", action="store_true", help="smaller sizes, for a look")
    parser.add_argument("--only", type=row_keys, metavar="ROWS", help="some rows, with commas")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there too")
    parser.add_argument(
        "--dir", type=Path, default=Path("/var/tmp"),
        help="a folder on the disk to measure (default /var/tmp)",
    )  # fmt: skip
    return parser.parse_args()


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


def _report(verdicts: list[table.Verdict], rounds: int, *, quick: bool) -> None:
    print(machine())
    print(_versions())
    print(
        f"{rounds} rounds; * marks the best of the others; in brackets: for reference, not judged"
    )
    if quick:
        print("QUICK LOOK: smaller sizes, few rounds; these are not the figures to quote")
    print()
    print(table.render(verdicts))


def _versions() -> str:
    peers = ", ".join(f"{name} {version(name)}" for name in ("huey", "persist-queue", "litequeue"))
    return (
        f"SQLite {apsw.sqlite_lib_version()} (apsw {version('apsw')}) for sprag and raw, "
        f"{sqlite3.sqlite_version} (Python's own) for {peers}"
    )


def _record(verdicts: list[table.Verdict], measured: dict[str, list[Round]]) -> object:
    return {
        "machine": machine(),
        "versions": _versions(),
        "bars": [
            {
                "work": verdict.bar.work,
                "limit": verdict.bar.limit,
                "at_least": verdict.bar.at_least,
                "unit": verdict.bar.unit,
                "measured": verdict.measured,
                "met": verdict.met,
                "noisy": verdict.noisy,
                "best": verdict.best,
                "rounds": list(verdict.rounds),
            }
            for verdict in verdicts
        ],
        "rounds": measured,
    }


if __name__ == "__main__":
    sys.exit(main())
