"""Keep Ctrl-C out of the few lines where it would tear a commit from its consequences.

Python runs signal handlers in the main thread, between any two bytecodes. A
KeyboardInterrupt between COMMIT and waking those whose jobs it started would
leave them asleep. `shielded` puts off what this package's own handlers raise
until the block has ended: that of SIGINT, where it was Python's default, and
that of SIGTERM in `with queue:`. An application's handlers are left alone.
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
        self._pending: BaseException | None = None

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
            pending = self._pending
            if pending is not None and not self._depth:
                self._pending = None
                raise pending

    def interrupt(self, error: BaseException) -> None:
        """Raise `error` here, or at the end of the block that must not be torn."""
        if not self._depth:
            raise error
        self._pending = error


shielded: Final = _Shield()


def _keyboard_interrupt(_signal: int, _frame: FrameType | None) -> None:
    shielded.interrupt(KeyboardInterrupt())


def install() -> None:
    """Make `shielded` effective. Does nothing outside the main thread, as Python demands."""
    if threading.current_thread() is _main and (
        signal.getsignal(signal.SIGINT) is signal.default_int_handler
    ):
        signal.signal(signal.SIGINT, _keyboard_interrupt)
