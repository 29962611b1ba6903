"""`sprag watch`."""

from __future__ import annotations

import queue
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Final, NoReturn

import click
from rich.live import Live

from ...queue import JobNotFound, Progress, Signal
from ...queue.operators import TERMINAL, QueueFile
from .. import options
from ..board import Board
from ..exits import FAILED, OK
from ..lookup import find
from ..owners import lost_among
from ..render import DIED, progress_words
from ..settings import Settings
from ..text import one_line, time_of_day

_NEWEST: Final = 2**63 - 1
_FRAME_SECONDS: Final = 0.1
_STILL_SECONDS: Final = 1.0
# What remains at the end must fit above the shell's prompt.
_PROMPT_LINES: Final = 3
_PATIENCE_SECONDS: Final = 0.2
# How many signals may wait for the printer before the reader of the journal waits, too.
_AHEAD: Final = 1000
# How often a pipe gets a job's progress; with --json it gets all that is stored.
_PROGRESS_SECONDS: Final = 1.0


@click.command("watch", short_help="Watch jobs live.")
@click.argument("jobs", nargs=-1, type=options.job, metavar="[JOB]...")
@options.queues
@click.option("--lines", is_flag=True, help="Print one line per signal, even in a terminal.")
@click.option("--after", type=click.IntRange(0), metavar="SEQ",
              help="Print the signals after SEQ (0: all).  [default: from now on]")  # fmt: skip
@options.shared()
@options.settings
def command(
    settings: Settings, jobs: Sequence[str], queues: Sequence[str], lines: bool, after: int | None
) -> int:
    """Watch all jobs, the jobs of some queues, or these JOBs until they end.

    A terminal shows counts, rates and progress bars until you press Ctrl-C. A
    pipe gets one line per move, and one per second for progress. With JOBs, the
    exit code is 0 if all of them completed, and 1 if not. A job whose process
    died is lost, until a worker that runs or starts takes it over.

    JSON, one object per line: {"signal": "sprag:queue.job.changed", "job_id",
    "queue", "status", "event", "seq", "attempt", "at", "progress",
    "audience", "tick"}; `event` is "progress" for progress. To miss nothing
    after a restart, pass the last `seq` to --after.
    """
    with settings.opened() as file, _ending_by_sigterm():
        ids = [find(file, job).id for job in jobs]
        dumb = settings.as_json or lines or after is not None or settings.out.is_dumb_terminal
        if dumb or not settings.for_eyes:
            _print_signals(settings, file, queues, ids, after)
        else:
            _show_live(settings, file, queues, ids)
        done = all(file.job(id_).status == "completed" for id_ in ids)
    return OK if done else FAILED


@contextmanager
def _ending_by_sigterm() -> Iterator[None]:
    """Let SIGTERM leave the block in order, so that the terminal is restored."""

    def leave(number: int, _frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _show_live(
    settings: Settings, file: QueueFile, queues: Sequence[str], ids: Sequence[str]
) -> None:
    console = settings.out
    board = Board(file, queues, ids)
    board.look(console.height)
    live = Live(
        board.frame(*console.size), console=console, screen=True, auto_refresh=False,
        vertical_overflow="crop",
    )  # fmt: skip
    version, looked = file.version(), time.monotonic()
    try:
        # Not `with live`: if it is interrupted at its start, it does not restore the terminal.
        live.start(refresh=True)
        while not ids or not all(job.finished for job in board.jobs):
            time.sleep(_FRAME_SECONDS)
            newest = file.version()
            if newest != version or time.monotonic() - looked > _STILL_SECONDS:
                version, looked = newest, time.monotonic()
                board.look(console.height)
                live.update(board.frame(*console.size), refresh=True)
    finally:
        live.stop()
        # The terminal shows its earlier content again; this stays below it.
        settings.show(board.frame(console.width, console.height - _PROMPT_LINES))


def _print_signals(
    settings: Settings,
    file: QueueFile,
    queues: Sequence[str],
    ids: Sequence[str],
    after: int | None,
) -> None:
    printer = _Printer(settings, file)
    signals: queue.Queue[Signal] = queue.Queue(_AHEAD)
    closing = threading.Event()

    def post(told: Signal) -> None:
        while not closing.is_set():
            try:
                signals.put(told, timeout=_PATIENCE_SECONDS)
                return
            except queue.Full:
                continue

    start = None if after is None else min(after, _NEWEST)
    with file.subscribe(post, after=start) as subscription:
        head, _tick = file.head()
        unfinished = set()
        jobs = [file.job(id_) for id_ in ids]
        lost = lost_among(file, jobs)
        for job in jobs:
            if job.id in lost:
                settings.say(
                    f"job {job.id} is lost: {DIED}; a worker that runs or starts takes it over"
                )
            if job.finished and after is None:
                settings.say(f"job {job.id} had already ended: it is {job.status}")
            elif not job.finished:
                unfinished.add(job.id)
        try:
            while not ids or unfinished or subscription.seq < head or not signals.empty():
                try:
                    told = signals.get(timeout=_PATIENCE_SECONDS)
                except queue.Empty:
                    continue
                if (queues and told["queue"] not in queues) or (ids and told["job_id"] not in ids):
                    continue
                printer.print(told)
                if told["status"] in TERMINAL and told["seq"] > head:
                    unfinished.discard(told["job_id"])
        finally:
            closing.set()


class _Printer:
    """Prints each signal at once."""

    def __init__(self, settings: Settings, file: QueueFile) -> None:
        self._settings = settings
        self._file = file
        self._reported: dict[str, float] = {}

    def print(self, told: Signal) -> None:
        if self._settings.as_json:
            self._settings.emit(told)
        elif told["event"] != "progress" or self._may_report(told["job_id"]):
            self._settings.write(f"{self._line(told)}\n")
        if told["status"] in TERMINAL:
            self._reported.pop(told["job_id"], None)
        sys.stdout.flush()

    def _may_report(self, id_: str) -> bool:
        now = time.monotonic()
        if now - self._reported.get(id_, 0.0) < _PROGRESS_SECONDS:
            return False
        self._reported[id_] = now
        return True

    def _line(self, told: Signal) -> str:
        at = time.time() if told["at"] is None else told["at"]
        words = [
            time_of_day(at), str(told["seq"]), told["queue"], told["job_id"], told["status"],
            told["event"], f"attempt {told['attempt']}",
        ]  # fmt: skip
        if told["progress"] is not None and told["event"] == "progress":
            words.append(progress_words(Progress(**told["progress"])))
        if told["event"] in ("fail", "retry", "lose"):
            words.append(self._error(told))
        return one_line("  ".join(word for word in words if word))

    def _error(self, told: Signal) -> str:
        try:
            history = self._file.history(told["job_id"])
        except JobNotFound:
            return ""
        error = next((move.error for move in history if move.seq == told["seq"]), None)
        return f"{error.type}: {error.message}" if error is not None else ""
