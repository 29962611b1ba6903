"""What a workload did to its files and what it was told, in one order; saved and read again."""

from __future__ import annotations

import base64
import gzip
import json
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

Kind = Literal["create", "write", "truncate", "sync", "link", "delete", "sync folder"]
Durability = Literal["full", "normal"]


class Op(NamedTuple):
    """Something that was done to a file, logged when it had returned.

    `place` is the offset of a write, the size after a truncation, and for a sync the length of
    the log when it began: what came before that is on the disk now. `data` is what was written;
    for a link, the file's other name. File names are relative to
    the workload's folder, those of folders end in "/", and its own name is "".
    """

    kind: Kind
    file: str
    place: int = 0
    data: bytes = b""


class Mark(NamedTuple):
    """Something that the world outside was told, or that it had asked for; see `verdict.Told`."""

    what: str
    words: tuple[Any, ...]


class Log:
    """Operations and marks in the order in which they happened, whichever thread they are of.

    `initial` are the files that were there before, and on the disk. Whoever logs an operation
    holds `mutex` from before it until it is logged, but for a sync, which may take its time.
    """

    def __init__(
        self,
        initial: Mapping[str, bytes] = {},
        durability: Durability = "full",
        entries: Iterable[Op | Mark] = (),
    ) -> None:
        self.initial = dict(initial)
        self.durability: Durability = durability
        self.entries = list(entries)
        self.mutex = threading.RLock()
        self._closed = False

    def add(self, entry: Op | Mark) -> None:
        """Append an entry, unless the log is closed."""
        with self.mutex:
            if not self._closed:
                self.entries.append(entry)

    def tell(self, what: str, *words: Any) -> None:
        """Append a mark."""
        self.add(Mark(what, words))

    def close(self) -> None:
        """Log nothing more: what happens later is not part of it."""
        with self.mutex:
            self._closed = True

    def points(self) -> list[int]:
        """Where the power can fail: before each operation, and at the end. What was told in
        between was told by then."""
        before = [n for n, entry in enumerate(self.entries) if isinstance(entry, Op)]
        return [*before, len(self.entries)]

    def save(self, path: Path, **more: Any) -> None:
        """Write it to a file, and `more` that JSON can hold."""
        head = {
            **more,
            "durability": self.durability,
            "initial": {name: _text(data) for name, data in self.initial.items()},
        }
        with gzip.open(path, "wt", encoding="utf-8") as file:
            print(json.dumps(head), file=file)
            for entry in self.entries:
                row = [*entry[:3], _text(entry.data)] if isinstance(entry, Op) else entry
                print(json.dumps(row), file=file)

    @classmethod
    def load(cls, path: Path) -> tuple[Log, dict[str, Any]]:
        """A log that was saved, and what was saved with it."""
        with gzip.open(path, "rt", encoding="utf-8") as file:
            more: dict[str, Any] = json.loads(next(file))
            entries = [_entry(json.loads(line)) for line in file]
        initial = {name: _bytes(text) for name, text in more.pop("initial").items()}
        return cls(initial, more.pop("durability"), entries), more


def _entry(row: list[Any]) -> Op | Mark:
    match row:
        case [kind, file, place, text]:
            return Op(kind, file, place, _bytes(text))
        case [what, words]:
            return Mark(what, tuple(words))
        case _:
            raise ValueError(f"expected an operation or a mark, got {row!r}")


def _text(data: bytes) -> str:
    return base64.b85encode(data).decode()


def _bytes(text: str) -> bytes:
    return base64.b85decode(text)
