"""What may be on a disk when the power fails: the files after a log's first entries.

A sync puts what was written before it began on the disk. Of what came later, anything may be
there or not, in any order, cut at sectors of 512 bytes. Two things are taken for granted, as
SQLite does on every disk that it trusts: a sector that is written over in part keeps its other
bytes ("powersafe overwrite"), and what was synced stays as it is. So garbage is found only
inside of what was being written.

Names are made and removed in their folder, and are on the disk when that was synced. What is
done to one name happens in order; across names, and against what is written, in any.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from .log import Op

SECTOR = 512

MODELS = {
    "lost": 1,      # all that was not synced
    "kept": 1,      # nothing: the process was killed, not the machine
    "torn": 1,      # the newest write is there up to some sector, or from some sector on
    "garbage": 1,   # the newest write ends in a sector of garbage
    "grown": 1,     # files have their new lengths, and zeros instead of what was written
    "undone": 1,    # files that were deleted or cut are as before
    "apart": 1,     # of each file all is there, or nothing
    "subset": 2,    # each write is there or not
    "sectors": 2,   # each sector of each write is there, or not, or garbage
}  # fmt: skip
"""How the disk may have it, and how many images of each kind are made at a point."""

Files = dict[str, bytes]


@dataclass(eq=False)
class _Inode:
    """A file's content: what is on the disk, and what was done since."""

    durable: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, Op]] = field(default_factory=list)


class Disk:
    """The disk before the first entry of a log; `advance` it, operation by operation."""

    def __init__(self, initial: Files) -> None:
        # What each name stood for, from the durable one to the newest, with its entry's number.
        self._names: dict[str, list[tuple[int, _Inode | None]]] = {
            name: [(-1, _Inode(bytearray(content)))] for name, content in initial.items()
        }

    def advance(self, number: int, op: Op) -> None:
        """Entry `number` of the log takes place."""
        states = self._names.setdefault(op.file, [(-1, None)])
        inode = states[-1][1]
        match op.kind:
            case "create":
                states.append((number, _Inode()))
            case "link":
                states.append((number, self._names[op.data.decode()][-1][1]))
            case "delete":
                states.append((number, None))
            case "sync folder":
                for name, states in self._names.items():
                    if _folder(name) == op.file:
                        settled = sum(since < op.place for since, _inode in states)
                        del states[: settled - 1]
            case "sync" if inode is not None:
                for since, each in inode.pending:
                    if since < op.place:
                        _apply(inode.durable, each, [(each.place, each.data)])
                inode.pending = [each for each in inode.pending if each[0] >= op.place]
            case "write" | "truncate" if inode is not None:
                inode.pending.append((number, op))
            case _:
                raise ValueError(f"entry {number} is about no file: {op.kind} {op.file}")

    def image(self, model: str, noise: random.Random) -> Files:
        """The files as they may be found, by one of `MODELS`. A folder is a name that ends
        in "/", with no content."""
        newest = max(
            (number for states in self._names.values() for _n, inode in states if inode
             for number, op in inode.pending if op.kind == "write"), default=-1,
        )  # fmt: skip
        found: Files = {}
        for name, states in self._names.items():
            inode = _standing_for(states, model, noise)
            if inode is not None:
                found[name] = _content(inode, newest, model, noise)
        return {name: data for name, data in found.items() if _folder(name) in ("", *found)}


def _folder(name: str) -> str:
    head, slash, _tail = name.rstrip("/").rpartition("/")
    return head + slash


def _standing_for(
    states: list[tuple[int, _Inode | None]], model: str, noise: random.Random
) -> _Inode | None:
    match model:
        case "lost":
            return states[0][1]
        case "undone":
            return next((inode for _n, inode in reversed(states) if inode is not None), None)
        case "apart" | "subset" | "sectors":
            return noise.choice(states)[1]
        case _:
            return states[-1][1]


def _content(inode: _Inode, newest: int, model: str, noise: random.Random) -> bytes:
    content = bytearray(inode.durable)
    whole = noise.random() < 0.5
    for number, op in inode.pending:
        if op.kind == "truncate":
            kept = {"kept": True, "torn": True, "garbage": True, "apart": whole}.get(
                model, model in ("subset", "sectors") and noise.random() < 0.5
            )
            pieces = [(op.place, b"")] if kept else []
        else:
            pieces = list(_pieces(op, number == newest, whole, model, noise))
        _apply(content, op, pieces)
    return bytes(content)


def _pieces(
    op: Op, newest: bool, whole: bool, model: str, noise: random.Random
) -> Iterator[tuple[int, bytes]]:
    """What of a write is there."""
    match model:
        case "kept" | "undone":
            yield op.place, op.data
        case "apart" if whole:
            yield op.place, op.data
        case "subset" if noise.random() < 0.5:
            yield op.place, op.data
        case "grown":
            yield op.place + len(op.data), b""
        case "torn" | "garbage" if not newest:
            yield op.place, op.data
        case "torn":
            sectors = list(_sectors(op))
            cut = noise.randrange(len(sectors))
            yield from sectors[:cut] if noise.random() < 0.5 else sectors[cut + 1 :]
        case "garbage":
            sectors = list(_sectors(op))
            cut = noise.randrange(len(sectors))
            yield from sectors[:cut]
            place, data = sectors[cut]
            yield place, noise.randbytes(len(data))
        case "sectors":
            for place, data in _sectors(op):
                fate = noise.random()
                if fate < 0.6:
                    yield place, data
                elif fate < 0.7:
                    yield place, noise.randbytes(len(data))
        case _:
            pass


def _sectors(op: Op) -> Iterator[tuple[int, bytes]]:
    begin, end = op.place, op.place + len(op.data)
    while begin < end:
        stop = min(end, (begin // SECTOR + 1) * SECTOR)
        yield begin, op.data[begin - op.place : stop - op.place]
        begin = stop


def _apply(content: bytearray, op: Op, pieces: list[tuple[int, bytes]]) -> None:
    for place, data in pieces:
        content.extend(bytes(max(0, place + len(data) - len(content))))
        if op.kind == "truncate":
            del content[place:]
        content[place : place + len(data)] = data
