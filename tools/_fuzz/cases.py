"""One thing to try, by its kind, its name and a seed; and the file in which a failure is kept."""

from __future__ import annotations

import base64
import json
import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from . import arguments, payloads
from .damage import DAMAGES, damaged
from .examine import Examination
from .specimens import FOLDER, Files


@dataclass(frozen=True)
class Case:
    """What is tried. `files` is given where they cannot be made again from the seed: the ids and
    times in a specimen are never the same twice."""

    kind: str
    name: str
    seed: int
    files: Files | None = None
    full: bool = True

    @classmethod
    def of(cls, shape: dict[str, Any]) -> Case:
        files = shape.get("files")
        return cls(
            shape["kind"], shape["name"], shape["seed"],
            None if files is None else {name: _unpacked(text) for name, text in files.items()},
            shape.get("full", True),
        )  # fmt: skip

    def shape(self) -> dict[str, Any]:
        """Its JSON form."""
        files = self.files
        return {
            "kind": self.kind,
            "name": self.name,
            "seed": self.seed,
            "full": self.full,
            "files": files and {name: _packed(content) for name, content in files.items()},
        }

    def __str__(self) -> str:
        return f"{self.kind}, {self.name}, seed {self.seed}"

    def made(self) -> Case:
        """The case with all that it needs in it, so that it can be kept."""
        if self.kind != "file" or self.files is not None:
            return self
        files = damaged(self.name, self.seed)
        return Case(self.kind, self.name, self.seed, files, self.full)

    def run(self, room: Path) -> list[str]:
        """Try it in the new folder `room`; what is wrong with what came of it."""
        room.mkdir(parents=True)
        if self.kind == "file":
            files = self.files if self.files is not None else damaged(self.name, self.seed)
            return Examination(self.name, files, room, full=self.full).run()
        rng = random.Random(f"{self.name} {self.seed}")
        return _OTHERS[self.kind](rng, room)


_OTHERS: Final[dict[str, Callable[[random.Random, Path], list[str]]]] = {
    "payload": payloads.attempt,
    "arguments": arguments.attempt,
}


def drawn(rng: random.Random, full: bool = True) -> Case:
    """Any case."""
    kind = rng.choice(["file", "file", "file", "payload", "arguments"])
    name = rng.choice(sorted(DAMAGES)) if kind == "file" else kind
    return Case(kind, name, rng.randrange(10**9), full=full)


def keep(case: Case, problems: list[str], path: Path) -> None:
    """Write a case that failed into a file."""
    path.write_text(json.dumps({**case.shape(), "problems": problems}), encoding="utf-8")


def kept(path: Path) -> Case:
    """The case in a file that `keep` wrote."""
    return Case.of(json.loads(path.read_text(encoding="utf-8")))


def _packed(content: bytes | str | None) -> str | None:
    if isinstance(content, bytes):
        return "data:" + base64.b64encode(zlib.compress(content)).decode()
    return content


def _unpacked(text: str | None) -> bytes | str | None:
    if text is FOLDER:
        return FOLDER
    if text.startswith("data:"):
        return zlib.decompress(base64.b64decode(text.removeprefix("data:")))
    return text
