"""Counts wrong tokens, so that the right one cannot be guessed."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final

MOST: Final = 10
SECONDS: Final = 60.0
_CLIENTS: Final = 1000


class Attempts:
    """Allows each client `MOST` wrong tokens in `SECONDS`; remembers the latest 1,000 clients."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._mutex = threading.Lock()
        self._tries: OrderedDict[str, deque[float]] = OrderedDict()

    def take(self, client: str) -> bool:
        """Count a wrong token. False: the client has had too many."""
        now = self._clock()
        with self._mutex:
            tries = self._tries.setdefault(client, deque())
            self._tries.move_to_end(client)
            if len(self._tries) > _CLIENTS:
                self._tries.popitem(last=False)
            while tries and tries[0] <= now - SECONDS:
                tries.popleft()
            if len(tries) >= MOST:
                return False
            tries.append(now)
            return True
