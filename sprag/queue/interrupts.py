"""Keep Ctrl-C out of the few lines where it would tear a commit from its consequences.

Python runs signal handlers in the main thread, between any two bytecodes. A
KeyboardInterrupt between COMMIT and waking those whose jobs it started would
leave them asleep. `shielded` puts SIGINT off until the block has ended, where
the handler is Python's default one; an application's own is left alone.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Final

_main: Final = threading.main_thread()


class _Shield:
    """Reentrant, and free of cost in other threads than the main one."""

    def __init__(self) -> None:
        self._depth = 0
        self._pending = False

    def __enter__(self) -> None:
        if threading.get_ident() == _main.ident:
            self._depth += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if threading.get_ident() == _main.ident:
            self._depth -= 1
            if self._pending and not self._depth:
                self._pending = False
                raise KeyboardInterrupt

    def interrupt(self, _signal: int, _frame: FrameType | None) -> None:
        """The handler of SIGINT: as Python's own, but for the delay."""
        if self._depth:
            self._pending = True
        else:
            raise KeyboardInterrupt


shielded: Final = _Shield()


def install() -> None:
    """Make `shielded` effective. Does nothing outside the main thread, as Python demands."""
    if threading.current_thread() is _main and (
        signal.getsignal(signal.SIGINT) is signal.default_int_handler
    ):
        signal.signal(signal.SIGINT, shielded.interrupt)
