"""Keep one process busy with mixed work for minutes, and see whether it takes up more and more.

    python3 tools/soak.py                       five minutes
    python3 tools/soak.py --seconds 30

Two queues of one file, one with plain handlers and one with async ones: jobs enqueued one by one,
many at once and with a delay; some fail, are retried or cancelled; some report progress 10,000
times as fast as they can. There are threads that wait with a time-out, a subscriber that raises
each time, a slow one and one that is stuck; a backup now and then, and a prune every other second.
Another process opens the file, enqueues and closes it again and again; yet another reads an old
state of the file for a while, lets go, and begins again.

Prints a table in Markdown, and whether memory, threads, file descriptors, the database and its
write-ahead log stayed within their bounds and every acknowledged job came to its end. The exit
code is 0 if so. Needs Linux, where a process can look up what it takes up.
"""

import argparse
import os
import random
import sqlite3
import sys
import tempfile
from pathlib import Path

import _venv

if __name__ == "__main__" and "--here" not in sys.argv:
    _venv.enter("torture", _venv.requirements())

import _oracle as oracle
from _soak.bounds import Finding, findings, table
from _soak.load import Load
from _soak.said import Said
from _soak.sample import Sampler

_WARM_UP = 0.2
_WARM_UP_SECONDS = 20.0
_SETTLE_SECONDS = 2.0


def main() -> int:
    """Run what the command line asks for; the exit code."""
    options = _parse()
    if not Path("/proc/self/statm").exists():
        print("This tool needs Linux: it reads /proc/self/statm.")
        return 2
    seconds = options.seconds if options.seconds is not None else 60.0 * options.minutes
    said = Said()
    with tempfile.TemporaryDirectory(prefix="sprag-soak-", dir=options.dir) as folder:
        path = Path(folder, "soak.db")
        print(f"seed {options.seed}, {seconds:g} s, in {folder}", flush=True)
        found = _run(path, seconds, options.seed, said)
    for finding in found:
        print(f"{'ok   ' if finding.good else 'WRONG'} {finding.said}")
    return 0 if all(finding.good for finding in found) else 1


def _run(path: Path, seconds: float, seed: int, said: Said) -> list[Finding]:
    load = Load(path, seed, seconds)
    # The programs of the other processes find these modules as this one does.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    load.start()
    sampler = Sampler(path, min(1.0, seconds / 40), load.backlog, load.ended, load.released)
    sampler.start()
    load.wait(seconds)
    sampler.stop()
    load.stop()
    warm_up = min(_WARM_UP_SECONDS, _WARM_UP * seconds)
    samples = [sample for sample in sampler.samples if sample.at >= warm_up]
    print(*table(samples), sep="\n")
    print(
        f"{len(samples)} samples after a warm-up of {warm_up:g} s; "
        + ", ".join(f"{what}: {times:,}" for what, times in sorted(load.done.items()))
    )
    print(*(f"logged {times:,} times: {text}" for text, times in said.counts.items()), sep="\n")
    settle = min(_SETTLE_SECONDS, load.hold / 4)
    return [*findings(samples, settle), *_kept(path, load, said)]


def _kept(path: Path, load: Load, said: Said) -> list[Finding]:
    """Whether the queues did what they promise meanwhile."""
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None)
    problems = oracle.audit(connection)
    left = connection.execute(
        "SELECT count(*) FROM job WHERE status NOT IN ('completed', 'failed', 'cancelled')"
    ).fetchone()[0]
    connection.close()
    acknowledged = sum(ledger.acknowledged for ledger in load.ledgers.values())
    return [
        Finding(
            not left and not load.problems and acknowledged > 0,
            f"{acknowledged:,} jobs were acknowledged, {load.ended():,} were announced to have "
            f"ended, {left} are left; {_shown(load.problems)}",
        ),
        Finding(not problems, f"the file kept its rules: {_shown(problems)}"),
        Finding(not said.unexpected(), f"nothing else was logged: {_shown(said.unexpected())}"),
    ]


def _shown(problems: list[str]) -> str:
    return "; ".join(problems[:5]) or "no problem"


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=float, default=5.0)
    length.add_argument("--seconds", type=float)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
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
