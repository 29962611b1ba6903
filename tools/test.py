"""Every check of the project in one command.

Makes its own environment on the first run, with nothing but Python 3.11 or newer and pip.
Checks format and lint of the tree, and that it declares what it imports. Then builds its wheel,
installs that, and runs the tests against it, some in a real Chromium: where there is none, it is
installed if that can be done. Types are checked while the tests begin. Every check runs, even after
one that fails; the exit code is 1 if any failed.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import _chromium
import _venv

CHECKS = ("format", "lint", "types", "needs", "tests")
TYPED = ("sprag", "tests", "tools", "examples")


def main(arguments: Sequence[str]) -> int:
    """Run the checks that `arguments` choose; the exit code."""
    options = _parse(arguments)
    wanted = options.only or CHECKS
    with ThreadPoolExecutor() as beside:
        browser = beside.submit(_chromium.ensure) if "tests" in wanted else None
        python = _venv.ensure(
            "test", _venv.requirements("dev", "recipes", "demo", "bench"), base=options.python
        )

        def module(*command: str) -> bool:
            return _venv.run([str(python), "-m", *command])

        def tests() -> bool:
            if browser is not None:
                browser.result()
            return _test_wheel(python, options.pytest, coverage=options.cov, long=options.long)

        if options.fix:
            module("ruff", "check", "--fix-only")
            module("ruff", "format")
        # It uses one core, and has the other one to itself until the tests have been collected.
        types = beside.submit(_types, python) if "types" in wanted else None
        checks: dict[str, Callable[[], bool]] = {
            "format": lambda: module("ruff", "format", "--check"),
            "lint": lambda: module("ruff", "check"),
            "needs": lambda: module("deptry", "sprag"),
            "tests": tests,
        }
        results = [_timed(name, checks[name]) for name in checks if name in wanted]
        if types is not None:
            results.append(_told(*types.result()))
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
        choices=CHECKS,
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


def _types(python: Path) -> tuple[subprocess.CompletedProcess[str], float]:
    """What mypy says, and how many seconds it took to say so."""
    start = time.monotonic()
    typed = [folder for folder in TYPED if any((_venv.ROOT / folder).rglob("*.py"))]
    said = subprocess.run(
        [str(python), "-m", "mypy", *typed], cwd=_venv.ROOT, env=_venv.environment(),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False,
    )  # fmt: skip
    return said, time.monotonic() - start


def _told(types: subprocess.CompletedProcess[str], seconds: float) -> tuple[str, bool, float]:
    print(f"\n== types\n{types.stdout}", end="", flush=True)
    return "types", types.returncode == 0, seconds


def _test_wheel(python: Path, arguments: Sequence[str], *, coverage: bool, long: bool) -> bool:
    # Held to the end: another run of the tests must not replace the wheel under this one.
    with _venv.exclusive(f"{python.parent.parent.name}-tests"):
        try:
            _venv.install_sprag(python)
        except _venv.SetupError as error:
            print(error, file=sys.stderr, flush=True)
            return False
        # Once, and beside the types: each of the processes would compile all files of tests for
        # itself. What is wrong with one of them, the run itself says.
        _venv.run([str(python), "-m", "pytest", "--collect-only", *arguments], quiet=True)
        pytest = ["-m", "pytest", *_beside(), *(COVERAGE if coverage else ())]
        variables = {"TMPDIR": _place(), **({"SPRAG_TEST_LONG": "1"} if long else {})}
        return _venv.run([str(python), "-c", SEES_WHEEL]) and _venv.run(
            [str(python), *pytest, *arguments], quiet=False, **variables
        )


COVERAGE = ("--cov", "--cov-report=term-missing:skip-covered")


def _beside() -> Sequence[str]:
    """Some processes run tests, three for each core: most tests wait more than they compute. One
    of them runs all tests of a file, so that what these share is made once. The files that take
    longest come first (tests/conftest.py), so that none is left to be waited for at the end."""
    count = min(8, 3 * (os.cpu_count() or 1))
    return (f"--numprocesses={count}", "--dist=loadfile", "--no-loadscope-reorder")


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
