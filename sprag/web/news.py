"""What pages are told: signals as messages, and how far a page has come in them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from ..queue import Signal
from ..queue.operators import Notice, QueueFile, merged, notice_signal, signal_of

_PAGE: Final = 200
_CURSOR: Final = re.compile(r"(\d{1,18})\.(\d{1,18})(?:\.(\d{1,18}))?", re.ASCII)

_encode: Final = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


class Position(NamedTuple):
    """How far a reader has come: the newest transition, stored progress, and notice."""

    seq: int = 0
    tick: int = 0
    notice: int = 0

    def __str__(self) -> str:
        return f"{self.seq}.{self.tick}.{self.notice}"

    @classmethod
    def parse(cls, text: str) -> Position | None:
        """A position as pages hand it back; None for anything else."""
        found = _CURSOR.fullmatch(text)
        return cls(*(int(part or 0) for part in found.groups())) if found else None


class Message(NamedTuple):
    """A signal for pages: its place, and its JSON without the last brace."""

    seq: int | None
    tick: int | None
    notice: int | None
    start: str

    def after(self, position: Position) -> Position | None:
        """The position after this was handed over; None if it was handed over before."""
        if self.notice is not None:
            return position._replace(notice=self.notice) if self.notice > position.notice else None
        if self.tick is not None:
            return position._replace(tick=self.tick) if self.tick > position.tick else None
        seq = self.seq or 0
        return position._replace(seq=seq) if seq > position.seq else None


def head(file: QueueFile) -> Position:
    """Where the journal ends now."""
    notice = file.last_notice()
    seq, tick = file.head()
    return Position(seq, tick, notice)


def start_at(file: QueueFile, cursor: str | None) -> Position:
    """Where a page that hands back `cursor` goes on; without a cursor, at the end of the journal.
    Never beyond that end: the file may have been replaced by an older one since."""
    end = head(file)
    told = None if cursor is None else Position.parse(cursor)
    return end if told is None else Position(*map(min, told, end))


def message_of(signal: Signal) -> Message:
    """A signal as pages get it: without its audience."""
    if "notice" in signal:
        body = {"signal": signal["signal"], **signal["data"]}
        return Message(None, None, signal["notice"], _encode(body)[:-1])
    body = {name: value for name, value in signal.items() if name not in ("audience", "tick")}
    return Message(signal["seq"], signal["tick"], None, _encode(body)[:-1])


def read_news(
    file: QueueFile, audiences: frozenset[str], position: Position
) -> tuple[list[Message], bool]:
    """What happened after `position` for these audiences, and whether there may be more."""
    wanted = tuple(audiences)
    moves, reports = file.news_of(wanted, position.seq, position.tick, _PAGE)
    full = len(moves) == _PAGE
    found = [
        message_of(signal_of(entry))
        for entry in merged(moves, reports, moves[-1].seq if full else None)
    ]
    if not full:
        found += [message_of(notice_signal(notice)) for notice in _notices(file, wanted, position)]
    return found, full


def _notices(file: QueueFile, audiences: Sequence[str], position: Position) -> Iterator[Notice]:
    after = position.notice
    while page := file.notices(after, _PAGE):
        yield from (notice for notice in page if notice.audience in audiences)
        after = page[-1].id
