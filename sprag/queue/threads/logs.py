"""What the queue writes to its log, whatever its handlers and filters do.

A log handler is other people's code: it may raise, block for minutes, or call the queue. So no
thread runs one while it is inside the queue, or while others wait for it: such a thread hands
its lines to a thread that does nothing but write them. Workers and subscribers, which run other
people's code all the time, write their own lines, at once and in order.

What a handler or a filter raises costs its own copy of the line only. It is reported on
stderr, as `logging` reports what goes wrong in a handler of its own.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
import time
import traceback
from collections import deque
from contextlib import suppress
from types import FrameType
from typing import Any, Final, NamedTuple

from .inside import here
from .starting import start
from .wakeup import Wakeup

_IDLE_SECONDS: Final = 0.1
_MOST_WAITING: Final = 10_000
SETTLE_SECONDS: Final = 1.0
"""How long a start, a stop and the exit wait for a handler that blocks."""


class _Line(NamedTuple):
    logger: logging.Logger
    level: int
    message: str
    args: tuple[Any, ...]
    error: BaseException | None
    place: tuple[str, int, str]
    at: float
    thread: tuple[int, str]


class _Thread(threading.local):
    writes = False


_this: Final = _Thread()


def write_here() -> None:
    """Let the calling thread write its own lines from now on: it may wait for a log handler."""
    _this.writes = True


class Log:
    """Like a `logging.Logger`; no method of it raises, or waits for a handler elsewhere than in
    a thread that has called `write_here`, outside of the queue. With `here_always`, for code that
    holds no lock, every thread writes its own lines."""

    def __init__(self, name: str, *, here_always: bool = False) -> None:
        self._logger = logging.getLogger(name)
        self._here_always = here_always

    def debug(self, message: str, *args: object) -> None:
        self._log(logging.DEBUG, message, args, None)

    def info(self, message: str, *args: object) -> None:
        self._log(logging.INFO, message, args, None)

    def warning(self, message: str, *args: object, exc_info: BaseException | None = None) -> None:
        self._log(logging.WARNING, message, args, exc_info)

    def error(self, message: str, *args: object, exc_info: BaseException | None = None) -> None:
        self._log(logging.ERROR, message, args, exc_info)

    def exception(self, message: str, *args: object) -> None:
        """Log an error, with the exception that is being handled."""
        self._log(logging.ERROR, message, args, sys.exc_info()[1])

    def _log(
        self, level: int, message: str, args: tuple[Any, ...], error: BaseException | None
    ) -> None:
        logger = self._logger
        if logger.manager.disable >= level:
            return
        frame = sys._getframe(2)
        line = _Line(
            logger, level, message, args, error, _place(frame), time.time(),
            (threading.get_ident(), threading.current_thread().name),
        )  # fmt: skip
        if (_this.writes or self._here_always) and not here.is_inside():
            _write(line)
        else:
            _writer.take(line)


def settle(seconds: float = SETTLE_SECONDS) -> None:
    """Wait until the lines that were handed over are written, but no longer than that."""
    _writer.settle(seconds)


# ---------------------------------------------------------------- the thread that writes


class _Writer:
    """A thread that exists while there are lines. It has no lock, because code that interrupts a
    thread here may hand over a line too. Two such threads for a moment do no harm."""

    def __init__(self) -> None:
        self.forked()

    def forked(self) -> None:
        """Begin anew: the parent writes what it has."""
        self._lines: deque[_Line | Wakeup] = deque()
        self._news = Wakeup()
        self._runs = False
        self._writer = 0  # the thread's identity
        self._left_out = 0

    def take(self, line: _Line | Wakeup) -> None:
        if len(self._lines) >= _MOST_WAITING:
            self._left_out += 1
            return
        self._lines.append(line)
        self._news.set()
        if not self._runs:
            self._runs = True
            try:
                start(self._run, "sprag-log", daemon=True)
            except (RuntimeError, MemoryError):
                # At the exit, or where the system has no more threads: the next line tries again,
                # and what is left at the exit is written there.
                self._runs = False
            except BaseException:
                self._runs = False
                raise

    def settle(self, seconds: float) -> None:
        if self._writer == threading.get_ident():
            return  # a handler that stops a queue
        if self._runs or self._lines:
            written = Wakeup()
            self.take(written)
            if self._runs:
                written.wait(seconds)

    def write_rest(self) -> None:
        """At the exit, in whichever thread that is."""
        self.settle(SETTLE_SECONDS)
        if not self._runs:
            with suppress(IndexError):
                while True:
                    _do(self._lines.popleft())

    def _run(self) -> None:
        self._writer = threading.get_ident()
        while True:
            try:
                line = self._lines.popleft()
            except IndexError:
                if self._news.wait(_IDLE_SECONDS):
                    continue
                # The next line that is handed over starts another thread.
                self._runs = False
                if not self._lines:
                    return
                continue
            _do(line)
            left_out, self._left_out = self._left_out, 0
            if left_out:
                _write(_left_out_line(left_out))


_writer: Final = _Writer()
os.register_at_fork(after_in_child=_writer.forked)
atexit.register(_writer.write_rest)


def _do(line: _Line | Wakeup) -> None:
    if isinstance(line, Wakeup):
        line.set()
    else:
        _write(line)


def _left_out_line(count: int) -> _Line:
    return _Line(
        logging.getLogger("sprag.queue"), logging.ERROR,
        "%d lines were left out because a log handler did not return", (count,), None,
        _place(sys._getframe()), time.time(), (threading.get_ident(), "sprag-log"),
    )  # fmt: skip


def _place(frame: FrameType) -> tuple[str, int, str]:
    return frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name


# ---------------------------------------------------------------- one line


def _write(line: _Line) -> None:
    """Give the line to the handlers. What one of them raises is reported, and the next goes on."""
    logger, error = line.logger, line.error
    try:
        if logger.disabled or not logger.isEnabledFor(line.level):
            return
        file, number, function = line.place
        record: Any = logger.makeRecord(
            logger.name, line.level, file, number, line.message, line.args,
            None if error is None else (type(error), error, error.__traceback__), function,
        )  # fmt: skip
        record.created = line.at
        record.msecs = float(int(line.at % 1 * 1000))
        record.thread, record.threadName = line.thread
        kept: Any = logger.filter(record)
        if not kept:
            return
        # A logger of the same name, for this record only: so code that watches all loggers of
        # the process, as error trackers do, sees it as well.
        guarded = logging.Logger(logger.name)  # noqa: LOG001  # it must not be known to others
        guarded.propagate = False
        guarded.handlers = [_Guarded(handler) for handler in _handlers(logger)]
        guarded.callHandlers(record if kept is True else kept)
    except BaseException as raised:  # noqa: BLE001  # a filter's, a record factory's
        _report(logger.name, line.message, raised)


def _handlers(logger: logging.Logger | None) -> list[logging.Handler]:
    found: list[logging.Handler] = []
    while logger is not None:
        found += logger.handlers
        logger = logger.parent if logger.propagate else None
    return found or [logging.lastResort or logging.NullHandler()]


class _Guarded(logging.Handler):
    """A handler whose exceptions cost its own copy of a line only."""

    def __init__(self, handler: logging.Handler) -> None:
        # Not the base class's __init__, which would register it with `logging`.
        self.level = handler.level
        self._handler = handler

    def handle(self, record: logging.LogRecord) -> bool:
        try:
            try:
                return self._handler.handle(record)
            except RecursionError:
                # The exception cannot be shown, such as groups that are nested a thousand deep.
                record.exc_info = record.exc_text = None
                record.msg = f"{record.msg} (its traceback cannot be shown)"
                return self._handler.handle(record)
        except BaseException as raised:  # noqa: BLE001  # other people's handler
            _report(record.name, record.msg, raised)
            return False


def _report(name: str, message: str, raised: BaseException) -> None:
    """Say on stderr what went wrong in a handler, as `logging.Handler.handleError` does."""
    in_main = threading.current_thread() is threading.main_thread()
    if in_main and not isinstance(raised, Exception):
        raise raised  # a Ctrl-C, or what the handler of another signal raised
    if not logging.raiseExceptions:
        return
    try:
        text = "".join(traceback.format_exception(raised, limit=-5))
        sys.stderr.write(
            f"--- a log handler or filter failed with a line of {name} ---\n"
            f"{text}The line: {message!r}\n"
        )
    except BaseException:
        if in_main:
            raise
