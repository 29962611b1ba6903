"""Exceptions that resist being told of: what a handler may raise all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, NoReturn

from sprag.queue import DatabaseFull, JobCancelled, JobReleased, PayloadError, QueueClosed

from .hostile import NoRepr, Spite


class NoText(Exception):
    def __str__(self) -> NoReturn:
        raise Spite("no text")


class ExitText(Exception):
    def __str__(self) -> NoReturn:
        raise SystemExit(3)


class InterruptText(Exception):
    def __repr__(self) -> NoReturn:
        raise KeyboardInterrupt

    __str__ = __repr__


class NumberText(Exception):
    def __str__(self) -> Any:  # what is wrong with it is the point
        return 5  # noqa: PLE0307


class OddName(Exception):
    pass


OddName.__qualname__ = "odd \ud800"


class NoNotes(Exception):
    def __getattribute__(self, name: str) -> Any:
        if name == "__notes__":
            raise Spite("no notes")
        return super().__getattribute__(name)


class NoTrace(Exception):
    """Does not let go of its traceback."""

    def __getattribute__(self, name: str) -> Any:
        if name == "__traceback__":
            raise Spite("no trace")
        return super().__getattribute__(name)


class NoCause(Exception):
    def __getattribute__(self, name: str) -> Any:
        if name in ("__cause__", "__context__"):
            raise Spite("no cause")
        return super().__getattribute__(name)


def noted(notes: Any) -> Exception:
    error = ValueError("with notes")
    vars(error)["__notes__"] = notes
    return error


def grouped(levels: int) -> Exception:
    error: Exception = ValueError("in the middle")
    for _ in range(levels):
        error = ExceptionGroup("around", [error])
    return error


def chained(links: int) -> Exception:
    error = ValueError("the first")
    for number in range(links):
        later = ValueError(number)
        later.__cause__ = error
        error = later
    return error


RAISED: Final[dict[str, Callable[[], BaseException]]] = {
    "10 MB": lambda: ValueError("x" * 10_000_000),
    "a surrogate": lambda: ValueError("\ud800"),
    "nul": lambda: ValueError("a\0b"),
    "arguments without repr": lambda: ValueError(NoRepr()),
    "an int too long": lambda: KeyError(10**5000),
    "no text": NoText,
    "its text exits": ExitText,
    "its text interrupts": InterruptText,
    "its text is a number": NumberText,
    "an odd name": OddName,
    "notes": lambda: noted(["a", "\ud800", "n" * 1_000_000]),
    "notes that are a number": lambda: noted(5),
    "notes without repr": lambda: noted([NoRepr()]),
    "no notes": NoNotes,
    "no trace": NoTrace,
    "no cause": NoCause,
    "a group": lambda: grouped(10),
    "a group 2,000 deep": lambda: grouped(2000),
    "a wide group": lambda: ExceptionGroup("wide", [ValueError(n) for n in range(5000)]),
    "a chain of 1,000": lambda: chained(1000),
    "odd syntax error": lambda: SyntaxError("x", ("f", 10**30, -5, "\ud800", None, None)),
    "odder syntax error": lambda: SyntaxError("x", (object(), "a", "b", 5)),  # type: ignore[arg-type]
    "exit": lambda: SystemExit(10**5000),
    "interrupt": KeyboardInterrupt,
    "generator exit": GeneratorExit,
    "stop iteration": StopIteration,
    "cancelled error": asyncio.CancelledError,
    "unicode error": lambda: UnicodeDecodeError("x", b"x", 0, 10**6, "r"),
    "base exception": BaseException,
    "nobody cancelled": lambda: JobCancelled("x"),
    "nobody released": lambda: JobReleased("x"),
    "queue closed": lambda: QueueClosed("x"),
    "disk full": lambda: DatabaseFull("x", "y"),
    "payload error": lambda: PayloadError("x", "y"),
    "no memory": MemoryError,
    "recursion": RecursionError,
}
