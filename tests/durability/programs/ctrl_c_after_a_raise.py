"""An application's signal handler raises at each instruction of an enqueue; then comes Ctrl-C.

Prints how often. Whatever the moment, the Ctrl-C is raised, at the end of the next call at the
latest.
"""

from __future__ import annotations

import _thread
import faulthandler
import functools
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import sprag.queue
from sprag.queue import QueueService

# Since 3.12, Python does not tell a trace function of all instructions.
EVENTS = sys.version_info >= (3, 12)
FILES = str(Path(sprag.queue.__file__).parent)


class Now:
    """-now lets SIGUSR1 arrive: as an operator, and so with no look for signals after it."""

    __neg__ = staticmethod(functools.partial(_thread.interrupt_main, signal.SIGUSR1))


now: Any = Now()


class At:
    def __init__(self, instruction: int) -> None:
        self.left = instruction

    def __call__(self, frame: FrameType, event: str, argument: object) -> Any:
        if event == "call":
            frame.f_trace_opcodes = frame.f_code.co_filename.startswith(FILES)
            return self if frame.f_trace_opcodes else None
        self.left -= event == "opcode" or EVENTS
        if self.left == 0:
            sys.settrace(None)
            -now  # noqa: B018
        return self


def late(number: int, frame: FrameType | None) -> None:
    raise TimeoutError


def main() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    queue = QueueService(name="work", database=sys.argv[1], durability="normal")
    queue.enqueue("first")
    signal.signal(signal.SIGUSR1, late)
    sys._getframe().f_trace_opcodes = True
    raised = instruction = missed = 0
    while missed < 3:
        instruction += 1
        faulthandler.dump_traceback_later(40, exit=True)
        queue.enqueue(0)  # has random digits for its id, so that the next needs none
        at = At(instruction)
        try:
            sys.settrace(at)
            queue.enqueue(1)
            sys.settrace(None)
        except TimeoutError:
            raised += 1
        sys.settrace(None)
        missed = missed + 1 if at.left > 0 else 0
        try:
            signal.raise_signal(signal.SIGINT)
            queue.enqueue(2)
        except KeyboardInterrupt:
            continue
        raise SystemExit(f"no Ctrl-C after the instruction {instruction}")
    print(raised)


main()
