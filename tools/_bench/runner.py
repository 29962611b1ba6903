"""Runner: rounds of child processes, each measurement on a file of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .measures import Result
from .plan import Case, Group, Sizes

TOOLS = Path(__file__).resolve().parent.parent
CHILD_SECONDS = 900

Round = dict[str, Result]
"""The figures of one round of a group, by the names of its cases."""


class ChildFailed(Exception):
    """A measurement broke; its standard error has been shown."""


class Runner:
    """Measures groups with one Python, in a work folder where it keeps the large files.
    `package` is where the child and the versions are. Without `care`, for figures that nobody
    reads, what came before a measurement need not be written out, and its process is forked from
    one that has imported everything."""

    def __init__(
        self,
        python: Path,
        folder: Path,
        environment: dict[str, str],
        sizes: Sizes,
        package: str = "_bench",
        *,
        care: bool = True,
    ) -> None:
        self._python = str(python)
        self._folder = folder
        self._environment = {**environment, "PYTHONPATH": str(TOOLS)}
        self._sizes = sizes
        self._package = package
        self._care = care
        self._forking: subprocess.Popen[str] | None = None
        self._large: dict[str, Path] = {}

    def close(self) -> None:
        """End what runs between measurements."""
        if self._forking is not None:
            self._forking.communicate(timeout=CHILD_SECONDS)

    def run(self, group: Group, rounds: int) -> list[Round]:
        """All rounds of a group. Its cases take turns, so that noise meets them alike."""
        found = []
        for number in range(1, rounds + 1):
            _say(f"{group.key}, round {number} of {rounds}")
            with self._copy(group) as shared:
                found.append({case.name: self._measure(case, shared) for case in group.cases})
        return found

    def _measure(self, case: Case, shared: Path | None) -> Result:
        if shared is not None and not case.apart:
            return self._child(case, shared)
        with self._fresh() as folder:
            return self._child(case, folder)

    def _child(self, case: Case, folder: Path) -> Result:
        wanted = {
            "subject": case.subject, "name": case.measure, "sync": case.sync,
            "folder": str(folder), "options": case.options,
        }  # fmt: skip
        what = f"{case.measure} of {case.name} at {case.sync} sync"
        if self._care:
            # What came before must not be written out while this is measured.
            os.sync()
            said = self._module("child", what, folder, json.dumps(wanted))
        else:
            said = self._fork(what, json.dumps(wanted))
        result: Result = json.loads(said)
        return result

    def _fork(self, what: str, wanted: str) -> str:
        if self._forking is None:
            self._forking = subprocess.Popen(
                [self._python, "-m", f"{self._package}.child"], cwd=self._folder,
                env=self._environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
        asked, answers = self._forking.stdin, self._forking.stdout
        if asked is None or answers is None:
            raise AssertionError("it was started with pipes")
        print(wanted, file=asked, flush=True)
        said = answers.readline()
        if not said:
            raise ChildFailed(f"{what} failed")
        return said

    def versions(self) -> str:
        """What is measured, in one line."""
        return self._module("versions", "asking for versions", self._folder)

    def _module(self, name: str, what: str, folder: Path, *arguments: str) -> str:
        """The last line that a module of the package prints, run as a process of its own."""
        try:
            done = subprocess.run(
                [self._python, "-m", f"{self._package}.{name}", *arguments],
                cwd=folder, env=self._environment, timeout=CHILD_SECONDS, capture_output=True,
                text=True, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise ChildFailed(f"{what} took more than {CHILD_SECONDS} s") from error
        if done.returncode != 0:
            print(done.stderr, file=sys.stderr)
            raise ChildFailed(f"{what} failed")
        return done.stdout.splitlines()[-1]

    @contextmanager
    def _fresh(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(dir=self._folder) as name:
            yield Path(name)

    @contextmanager
    def _copy(self, group: Group) -> Iterator[Path | None]:
        """A copy of the group's large file in a folder of its own, if it works on one."""
        if group.file is None:
            yield None
            return
        original = self._make(group.file)
        with self._fresh() as folder:
            # No process has the original open: it can be copied as any other file.
            for file in original.iterdir():
                if file.is_file():
                    shutil.copyfile(file, folder / file.name)
            yield folder

    def _make(self, name: str) -> Path:
        """The folder of a large file, made at the first call."""
        if name not in self._large:
            _say(f"making a file with {self._sizes.million:,} {name} jobs")
            folder = self._folder / name
            folder.mkdir()
            case = Case("sprag", f"make {name}", "normal", {"jobs": self._sizes.million})
            self._child(case, folder)
            self._large[name] = folder
        return self._large[name]


def _say(text: str) -> None:
    print(f"... {text}", file=sys.stderr, flush=True)
