"""Every check of the project in one command.

Makes its own environment on the first run, with nothing but Python 3.11 or newer and pip.
Checks format, lint and types of the tree, and that it declares what it imports. Then builds its
wheel, installs that, and runs the tests against it, some in a real Chromium: where there is none,
it is installed if that can be done. Every check runs, even after one that fails; the exit code is
1 if any failed.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import _chromium
import _venv

TYPED = ("sprag", "tests", "tools", "examples")


def main(arguments: Sequence[str]) -> int:
    """Run the checks that `arguments` choose; the exit code."""
    options = _parse(arguments)
    python = _venv.ensure(
        "test", _venv.requirements("dev", "recipes", "demo", "bench"), base=options.python
    )
    typed = [folder for folder in TYPED if any((_venv.ROOT / folder).rglob("*.py"))]

    def module(*command: str) -> bool:
        return _venv.run([str(python), "-m", *command])

    checks: dict[str, Callable[[], bool]] = {
        "format": lambda: module("ruff", "format", "--check"),
        "lint": lambda: module("ruff", "check"),
        "types": lambda: module("mypy", *typed),
        "needs": lambda: module("deptry", "sprag"),
        "tests": lambda: _test_wheel(
            python, options.pytest, coverage=options.cov, long=options.long
        ),
    }
    if options.fix:
        module("ruff", "check", "--fix-only")
        module("ruff", "format")
    results = [_timed(name, checks[name]) for name in checks if name in (options.only or checks)]
    print("\n== summary")
    for name, passed, seconds in results:
        print(f"{name:8}{'ok' if passed else 'FAILED':8}{seconds:6.1f} s")
    return 0 if all(passed for _, passed, _ in results) else 1


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        usage="%(prog)s [options] [-- argument of pytest ...]",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only",
        action="append",
        choices=["format", "lint", "types", "needs", "tests"],
        help="run this check only (may be repeated)",
    )
    parser.add_argument("--fix", action="store_true", help="first repair format and lint")
    parser.add_argument(
        "--python",
        default=sys.executable,
        help="check with this Python: a version such as 3.12, a command or a path",
    )
    parser.add_argument(
        "--cov", action="store_true",
        help="measure the coverage of branches too, for a quarter more time",
    )  # fmt: skip
    parser.add_argument(
        "--long", action="store_true",
        help="let tests that try a part of their cases, another one in each run, try all of them",
    )  # fmt: skip
    own = list(arguments)
    pytest: list[str] = []
    if "--" in own:
        cut = own.index("--")
        own, pytest = own[:cut], own[cut + 1 :]
    return parser.parse_args(own, argparse.Namespace(pytest=pytest))


def _timed(name: str, check: Callable[[], bool]) -> tuple[str, bool, float]:
    print(f"\n== {name}", flush=True)
    start = time.monotonic()
    passed = check()
    return name, passed, time.monotonic() - start


def _test_wheel(python: Path, arguments: Sequence[str], *, coverage: bool, long: bool) -> bool:
    # Held to the end: another run of the tests must not replace the wheel under this one.
    with _venv.exclusive(f"{python.parent.parent.name}-tests"):
        try:
            _venv.install_sprag(python)
        except _venv.SetupError as error:
            print(error, file=sys.stderr, flush=True)
            return False
        _chromium.ensure()
        pytest = ["-m", "pytest", *_beside(), *(COVERAGE if coverage else ())]
        variables = {"TMPDIR": _place(), **({"SPRAG_TEST_LONG": "1"} if long else {})}
        return _venv.run([str(python), "-c", SEES_WHEEL]) and _venv.run(
            [str(python), *pytest, *arguments], quiet=False, **variables
        )


COVERAGE = ("--cov", "--cov-report=term-missing:skip-covered")


def _beside() -> Sequence[str]:
    """Some processes run tests, two for each core: most tests wait more than they compute. A
    process that has no more takes half of what another one has."""
    return (f"--numprocesses={min(8, 2 * (os.cpu_count() or 1))}", "--dist=worksteal")


def _place() -> str:
    """Where the tests have their files: in memory, if there is room. A test whose subject is the
    disk plays it, and every other one would wait for the disk most of its time."""
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM_BYTES:
        return str(MEMORY)
    return tempfile.gettempdir()


MEMORY = Path("/dev/shm")
ROOM_BYTES = 2_000_000_000

SEES_WHEEL = """
import sprag, sys
if not sprag.__file__.startswith(sys.prefix):
    sys.exit(f"The tests would import {sprag.__file__}, expected the wheel in {sys.prefix}.")
"""


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
