"""Start and stop the queue of `holding.py`, with its log on standard output."""

from __future__ import annotations

import logging
import sys
from typing import Any

from sprag.queue import QueueService

logging.basicConfig(stream=sys.stdout)


class Held(QueueService):
    """Jobs that end at once."""

    name = "held"

    def handle_item(self, item: Any) -> None:
        pass


with Held(database=sys.argv[1]):
    pass
